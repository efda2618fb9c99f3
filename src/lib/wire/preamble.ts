import {timingSafeEqual} from 'node:crypto'

import {HmacSha256} from './hmac-sha256.js'
import {
  COMMAND_LOCAL,
  HEADER_LENGTH,
  Malformed,
  ProxyHeader,
  PP2_TYPE_UNIQUE_ID,
  TLV_HEADER_LENGTH,
  parseProxyHeader,
  proxyHeaderLength,
  writeLocalHeader,
  writeProxyHeader,
} from './proxy-protocol.js'

/**
 * The preamble: what an edge sends in front of a client's bytes on the middle leg. A PROXY protocol v2 header (source =
 * client, destination = origin) with these TLVs, in this order, all numbers big-endian:
 *
 *     0x05 UNIQUE_ID       16 bytes: the nonce, the flow's id on both servers
 *     0xE1 challenge       16 bytes that the gateway gave in a reply; only in the answer to it
 *     0xE0 authentication  78 bytes, always last:
 *          0  version    u8, 1
 *          1  flags      u8, 0
 *          2  key id     u16
 *          4  timestamp  u64, Unix time in ms; informational
 *         12  nonce      16 bytes: edge instance (8 random bytes) and counter (u64, from 1)
 *         28  audience   18 bytes: the address (16, IPv4 as IPv4-mapped) and port that the edge dialled
 *         46  MAC        32 bytes: HMAC-SHA-256 over everything from the signature to here
 *
 * TLVs of other types are skipped, as the specification asks; a second one of these three is refused.
 */
export const TLV_AUTHENTICATION = 0xe0
export const TLV_CHALLENGE = 0xe1

export const NONCE_LENGTH = 16
export const CHALLENGE_LENGTH = 16
export const MAC_LENGTH = 32
const AUTHENTICATION_LENGTH = 78
const AT_KEY_ID = 2
const AT_TIMESTAMP = 4
const AT_NONCE = 12
const AT_AUDIENCE = 28
const AT_MAC = 46

/** The longest preamble that an edge writes. */
export const MAX_PREAMBLE_LENGTH =
  HEADER_LENGTH +
  36 +
  (TLV_HEADER_LENGTH + NONCE_LENGTH) +
  (TLV_HEADER_LENGTH + CHALLENGE_LENGTH) +
  (TLV_HEADER_LENGTH + AUTHENTICATION_LENGTH)

/** What keys of a key file are derived for: `key.derive(PREAMBLE_PURPOSE, 32)`. */
export const PREAMBLE_PURPOSE = 'overlay preamble v1'

/** A key of the file, derived for preambles and replies. */
export class PreambleKey {
  readonly hmac: HmacSha256

  /** @param secret 32 bytes */
  constructor(
    readonly id: number,
    secret: Buffer,
  ) {
    this.hmac = new HmacSha256(secret)
  }
}

const expectedMac = Buffer.alloc(MAC_LENGTH)

/** What an edge says about one dial. Reused; the caller fills it before {@link writePreamble}. */
export class PreambleFields {
  /** True for a health check: no addresses. */
  local = false
  /** 16 bytes, IPv4 as IPv4-mapped; so is `destination`. */
  source: Buffer = Buffer.alloc(16)
  sourcePort = 0
  destination: Buffer = Buffer.alloc(16)
  destinationPort = 0
  /** Unix time in ms. */
  timestamp = 0
  /** 8 bytes. */
  instance: Buffer = Buffer.alloc(8)
  /** 1 to 2^53 − 1. */
  counter = 1
  /** 16 bytes, IPv4 as IPv4-mapped. */
  audience: Buffer = Buffer.alloc(16)
  audiencePort = 0
  /** 16 bytes, or null when the gateway asked for none. */
  challenge: Buffer | null = null
}

/** Bytes that {@link writePreamble} will write. */
export function preambleLength(fields: PreambleFields): number {
  return (
    (fields.local ? HEADER_LENGTH : proxyHeaderLength(fields.source, fields.destination)) + tlvLength(fields.challenge)
  )
}

function tlvLength(challenge: Buffer | null): number {
  const optional = challenge === null ? 0 : TLV_HEADER_LENGTH + CHALLENGE_LENGTH
  return TLV_HEADER_LENGTH + NONCE_LENGTH + optional + TLV_HEADER_LENGTH + AUTHENTICATION_LENGTH
}

/**
 * Writes a preamble.
 *
 * @param mac receives the 32 bytes of its MAC, which the gateway's reply is bound to
 * @returns its length
 */
export function writePreamble(
  into: Buffer,
  offset: number,
  fields: PreambleFields,
  key: PreambleKey,
  mac: Buffer,
): number {
  const {source, sourcePort, destination, destinationPort, challenge} = fields
  const tlvs = tlvLength(challenge)
  let at = fields.local
    ? writeLocalHeader(into, offset, tlvs)
    : writeProxyHeader(into, offset, source, sourcePort, destination, destinationPort, tlvs)
  at = writeTlvHeader(into, at, PP2_TYPE_UNIQUE_ID, NONCE_LENGTH)
  writeNonce(into, at, fields)
  at += NONCE_LENGTH
  if (challenge !== null) {
    at = writeTlvHeader(into, at, TLV_CHALLENGE, CHALLENGE_LENGTH)
    challenge.copy(into, at, 0, CHALLENGE_LENGTH)
    at += CHALLENGE_LENGTH
  }

  at = writeTlvHeader(into, at, TLV_AUTHENTICATION, AUTHENTICATION_LENGTH)
  into[at] = 1
  into[at + 1] = 0
  into.writeUInt16BE(key.id, at + AT_KEY_ID)
  writeUInt64(into, at + AT_TIMESTAMP, fields.timestamp)
  writeNonce(into, at + AT_NONCE, fields)
  fields.audience.copy(into, at + AT_AUDIENCE, 0, 16)
  into.writeUInt16BE(fields.audiencePort, at + AT_AUDIENCE + 16)
  key.hmac.write(into, offset, at + AT_MAC - offset, mac, 0)
  mac.copy(into, at + AT_MAC)
  return at + AUTHENTICATION_LENGTH - offset
}

function writeTlvHeader(into: Buffer, at: number, type: number, length: number): number {
  into[at] = type
  into.writeUInt16BE(length, at + 1)
  return at + TLV_HEADER_LENGTH
}

function writeNonce(into: Buffer, at: number, {instance, counter}: PreambleFields): void {
  instance.copy(into, at, 0, 8)
  writeUInt64(into, at + 8, counter)
}

function writeUInt64(into: Buffer, at: number, value: number): void {
  into.writeUInt32BE(Math.floor(value / 4_294_967_296), at)
  into.writeUInt32BE(value >>> 0, at + 4)
}

function readUInt64(from: Buffer, at: number): number {
  return from.readUInt32BE(at) * 4_294_967_296 + from.readUInt32BE(at + 4)
}

/** What a preamble says, before its MAC has been checked. Reused: {@link parsePreamble} overwrites it. */
export class Preamble {
  readonly header = new ProxyHeader()
  keyId = 0
  /** Unix time in ms, as the edge believes; above 2^53 it is rounded. */
  timestamp = 0
  /** The edge's instance as two numbers, high and low; a name, not a quantity. */
  instanceHigh = 0
  instanceLow = 0
  counter = 0
  /** Where these lie, from the start of the preamble; 0 when there is no challenge. */
  nonceAt = 0
  audienceAt = 0
  audiencePort = 0
  macAt = 0
  challengeAt = 0
  totalLength = 0

  get local(): boolean {
    return this.header.command === COMMAND_LOCAL
  }
}

/**
 * Reads a preamble from the start of a stream. Bytes after it belong to the client.
 *
 * @param bytes holds `available` bytes from `offset`
 * @returns its length, 0 when more bytes are needed, a {@link Malformed} number negated when it is none
 */
export function parsePreamble(bytes: Buffer, offset: number, available: number, into: Preamble): number {
  const total = parseProxyHeader(bytes, offset, available, into.header)
  if (total <= 0) return total
  let uniqueIdAt = 0
  let authenticationAt = 0
  let challengeAt = 0
  let at = into.header.tlvsAt
  while (at < total) {
    if (authenticationAt > 0) return -Malformed.Order
    if (total - at < TLV_HEADER_LENGTH) return -Malformed.Tlv
    const type = bytes[offset + at]
    const length = bytes.readUInt16BE(offset + at + 1)
    at += TLV_HEADER_LENGTH
    if (length > total - at) return -Malformed.Tlv
    switch (type) {
      case PP2_TYPE_UNIQUE_ID: {
        if (uniqueIdAt > 0) return -Malformed.Duplicate
        if (length !== NONCE_LENGTH) return -Malformed.UniqueId
        uniqueIdAt = at

        break
      }

      case TLV_CHALLENGE: {
        if (challengeAt > 0) return -Malformed.Duplicate
        if (length !== CHALLENGE_LENGTH) return -Malformed.Authentication
        challengeAt = at

        break
      }

      case TLV_AUTHENTICATION: {
        if (length !== AUTHENTICATION_LENGTH) return -Malformed.Authentication
        authenticationAt = at

        break
      }
      // No default
    }

    at += length
  }

  if (authenticationAt === 0) return -Malformed.Authentication
  if (bytes[offset + authenticationAt] !== 1 || bytes[offset + authenticationAt + 1] !== 0) {
    return -Malformed.Authentication
  }

  const nonceAt = authenticationAt + AT_NONCE
  if (uniqueIdAt === 0) return -Malformed.UniqueId
  for (let i = 0; i < NONCE_LENGTH; i++) {
    if (bytes[offset + uniqueIdAt + i] !== bytes[offset + nonceAt + i]) return -Malformed.UniqueId
  }

  const counter = readUInt64(bytes, offset + nonceAt + 8)
  if (counter === 0 || counter > Number.MAX_SAFE_INTEGER) return -Malformed.Authentication
  into.keyId = bytes.readUInt16BE(offset + authenticationAt + AT_KEY_ID)
  into.timestamp = readUInt64(bytes, offset + authenticationAt + AT_TIMESTAMP)
  into.instanceHigh = bytes.readUInt32BE(offset + nonceAt)
  into.instanceLow = bytes.readUInt32BE(offset + nonceAt + 4)
  into.counter = counter
  into.nonceAt = nonceAt
  into.audienceAt = authenticationAt + AT_AUDIENCE
  into.audiencePort = bytes.readUInt16BE(offset + authenticationAt + AT_AUDIENCE + 16)
  into.macAt = authenticationAt + AT_MAC
  into.challengeAt = challengeAt
  into.totalLength = total
  return total
}

/** True when the MAC of a parsed preamble is the key's. Takes the same time wherever they differ. */
export function preambleMacIsGood(bytes: Buffer, offset: number, preamble: Preamble, key: PreambleKey): boolean {
  key.hmac.write(bytes, offset, preamble.macAt, expectedMac, 0)
  return timingSafeEqual(expectedMac, bytes.subarray(offset + preamble.macAt, offset + preamble.macAt + MAC_LENGTH))
}

/** True when the edge dialled this address and port. */
export function audienceIs(
  bytes: Buffer,
  offset: number,
  preamble: Preamble,
  address: Uint8Array,
  port: number,
): boolean {
  if (preamble.audiencePort !== port) return false
  for (let i = 0; i < 16; i++) if (bytes[offset + preamble.audienceAt + i] !== address[i]) return false
  return true
}
