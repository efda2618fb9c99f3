import {timingSafeEqual} from 'node:crypto'

import {CHALLENGE_LENGTH, MAC_LENGTH, type PreambleKey} from './preamble.js'

/**
 * The reply: what a gateway sends on the middle leg in front of the origin's first byte. 40 bytes, big-endian:
 *
 *      0  magic      "OVR1"
 *      4  status     u8: 0 accepted, 1 refused, 2 challenge
 *      5  reason     u8: why it is refused, else 0
 *      6  key id     u16: the preamble's
 *      8  challenge  16 bytes, zero unless status is 2
 *     24  MAC        the first 16 bytes of HMAC-SHA-256(key, "reply" ‖ the preamble's MAC ‖ bytes 0 to 23)
 *
 * So each end has shown that it holds the key, and a reply belongs to one preamble. Who shows no good preamble gets none.
 */
export const REPLY_LENGTH = 40

export const ReplyStatus = {Accepted: 0, Refused: 1, Challenge: 2} as const

/** Why a gateway refuses a preamble that is genuine. */
export const Refusal = {
  None: 0,
  OriginNotAllowed: 1,
  OriginUnreachable: 2,
  Duplicate: 3,
  WrongAudience: 4,
  Draining: 5,
  TooManyConnections: 6,
  TooManyInstances: 7,
} as const

/** Names of {@link Refusal}, as counters and logs show them. */
export const REFUSALS = [
  'none',
  'origin-not-allowed',
  'origin-unreachable',
  'duplicate',
  'wrong-audience',
  'draining',
  'too-many-connections',
  'too-many-instances',
] as const

const MAGIC = 0x4f_56_52_31
const AT_CHALLENGE = 8
const AT_MAC = 24
const LABEL = Buffer.from('reply')

/** What the MAC is made over: label, the preamble's MAC, the reply without its own. */
const signed = Buffer.concat([LABEL, Buffer.alloc(MAC_LENGTH + AT_MAC)])
const mac = Buffer.alloc(MAC_LENGTH)

/**
 * Writes a reply.
 *
 * @param challenge 16 bytes, or null for zeros
 * @param preambleMac the 32 bytes of the preamble's MAC
 */
export function writeReply(
  into: Buffer,
  offset: number,
  status: number,
  reason: number,
  challenge: Buffer | null,
  key: PreambleKey,
  preambleMac: Uint8Array,
): void {
  into.writeUInt32BE(MAGIC, offset)
  into[offset + 4] = status
  into[offset + 5] = reason
  into.writeUInt16BE(key.id, offset + 6)
  if (challenge === null) into.fill(0, offset + AT_CHALLENGE, offset + AT_CHALLENGE + CHALLENGE_LENGTH)
  else challenge.copy(into, offset + AT_CHALLENGE, 0, CHALLENGE_LENGTH)
  replyMac(into, offset, key, preambleMac).copy(into, offset + AT_MAC, 0, REPLY_LENGTH - AT_MAC)
}

/**
 * Checks the 40 bytes of a reply.
 *
 * @returns its status, or −1 when it is no reply to this preamble by a holder of the key
 */
export function readReply(bytes: Buffer, offset: number, key: PreambleKey, preambleMac: Uint8Array): number {
  if (bytes.readUInt32BE(offset) !== MAGIC || bytes.readUInt16BE(offset + 6) !== key.id) return -1
  const expected = replyMac(bytes, offset, key, preambleMac).subarray(0, REPLY_LENGTH - AT_MAC)
  if (!timingSafeEqual(expected, bytes.subarray(offset + AT_MAC, offset + REPLY_LENGTH))) return -1
  const status = bytes[offset + 4]
  return status > ReplyStatus.Challenge ? -1 : status
}

/** The reason of a reply that {@link readReply} found good. */
export function replyReason(bytes: Buffer, offset: number): number {
  return bytes[offset + 5]
}

/** Copies the challenge of a reply that {@link readReply} found good. */
export function copyChallenge(bytes: Buffer, offset: number, into: Buffer): void {
  bytes.copy(into, 0, offset + AT_CHALLENGE, offset + AT_CHALLENGE + CHALLENGE_LENGTH)
}

/** The MAC of a reply; good until the next call. */
function replyMac(bytes: Buffer, offset: number, key: PreambleKey, preambleMac: Uint8Array): Buffer {
  signed.set(preambleMac, LABEL.length)
  bytes.copy(signed, LABEL.length + MAC_LENGTH, offset, offset + AT_MAC)
  key.hmac.write(signed, 0, signed.length, mac, 0)
  return mac
}
