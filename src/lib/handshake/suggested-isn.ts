import type {Key} from '../keys/key-file.js'
import {addressBytes, type Endpoint} from '../wire/endpoint.js'
import {PROTOCOL_VERSION} from './constants.js'
import {siphash24} from './siphash.js'

/**
 * The number that the edge suggests and the options that travel in the timestamp: the same as bpf/suggested-isn.h, byte
 * for byte. docs/PROTOCOL.md has it on the wire.
 */

/** MSS values by index, in bytes; an MSS is rounded down to one of them. */
export const MSS_TABLE = [536, 1220, 1300, 1360, 1400, 1440, 1460, 8940] as const

const OPTION_BITS = 10
const OPTION_MASK = (1 << OPTION_BITS) - 1

/** What a SYN says of its sender. */
export interface SynOptions {
  /** Shift count of the window, 0 to 14 (RFC 7323 section 2.2). */
  windowScale: number
  /** Bytes. */
  mss: number
  sackPermitted: boolean
}

/** The ten option bits: 0-3 window scale, 4-6 MSS index, 7 SACK permitted, 8-9 version. */
export function encodeOptions({windowScale, mss, sackPermitted}: SynOptions): number {
  return (windowScale & 15) | (mssIndex(mss) << 4) | (sackPermitted ? 0x80 : 0) | (PROTOCOL_VERSION << 8)
}

/** What the option bits in a timestamp say, the MSS rounded down; null when the version is not ours. */
export function decodeOptions(tsecr: number): SynOptions | null {
  const bits = tsecr & OPTION_MASK
  if (bits >> 8 !== PROTOCOL_VERSION) return null
  return {windowScale: bits & 15, mss: MSS_TABLE[(bits >> 4) & 7], sackPermitted: (bits & 0x80) !== 0}
}

/** Index of the largest table entry that is not above `mss`. */
export function mssIndex(mss: number): number {
  let index = 0
  while (index + 1 < MSS_TABLE.length && MSS_TABLE[index + 1] <= mss) index++
  return index
}

/**
 * The dummy's TSval: a clock in ms with its low ten bits replaced by the option bits, never ahead of the clock.
 *
 * @param nowMs a millisecond clock, modulo 2^32
 */
export function dummyTsval(nowMs: number, options: number): number {
  const tsval = ((nowMs & ~OPTION_MASK) | options) >>> 0
  return ((tsval - nowMs) | 0) > 0 ? (tsval - (OPTION_MASK + 1)) >>> 0 : tsval
}

/** The bucket of 64 seconds that a time falls into. @param taiSeconds International Atomic Time */
export function timeBucket(taiSeconds: number): number {
  return Math.floor(taiSeconds / 64) >>> 0
}

/** The 16-byte SipHash key that is derived from a region's key. */
export function handshakeKey(key: Key): Buffer {
  return key.derive('overlay handshake v1', 16)
}

/**
 * lo32 of SipHash-2-4 over 48 bytes: edge address (16, IPv4-mapped), gateway address (16), edge port and gateway port (2
 * each, network order), option bits (4, little-endian), time bucket (8, little-endian).
 *
 * @param key 16 bytes, from {@link handshakeKey}
 */
export function flowHash(key: Uint8Array, edge: Endpoint, gateway: Endpoint, options: number, bucket: number): number {
  const message = Buffer.alloc(48)
  addressBytes(edge.address).copy(message, 0)
  addressBytes(gateway.address).copy(message, 16)
  message.writeUInt16BE(edge.port, 32)
  message.writeUInt16BE(gateway.port, 34)
  message.writeUInt32LE(options, 36)
  message.writeBigUInt64LE(BigInt(bucket), 40)
  return Number(siphash24(key, message) & 0xff_ff_ff_ffn)
}

/** The suggested initial sequence number: {@link flowHash} plus the edge's own ISN, modulo 2^32. */
export function suggestedIsn(hash: number, edgeIsn: number): number {
  return (hash + edgeIsn) >>> 0
}
