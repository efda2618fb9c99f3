import type {Key, KeyRing} from '../keys/key-file.js'
import {addressBytes, type Endpoint} from '../wire/endpoint.js'

/** Keys and values of the set-up plane's maps, as bpf/setup-maps.h has them, little-endian unless said otherwise. */

export const SETUP_SETTINGS_BYTES = 56
export const SETUP_ROLE_BYTES = 8
/** Where the clock's offset stands in struct setup_settings. */
export const SETUP_CLOCK_AT = 36
export const SEEN_SYN_BYTES = 32

/** What every SYN/ACK of a pair offers, and its children are built with (docs/PROTOCOL.md section 4.5). */
export const SETUP_WINDOW = 65_535
export const SETUP_WINDOW_SCALE = 10

/** In bits 0-3 of the options: the client offered no window scale. */
export const NO_WINDOW_SCALE = 15

/** Bits 8-9 of the options: where these travel. */
export const SETUP_WITH_TIMESTAMPS = 2
export const SETUP_WITHOUT_TIMESTAMPS = 3

/** Names of the counters in the order of enum setup_counter, which begins at 16. */
export const SETUP_COUNTERS = [
  'synHandedOver',
  'synAnswered',
  'childMade',
  'laterAck',
  'laterDropped',
  'setupUnverified',
  'childFailed',
  'setupTimeWait',
  'notOwner',
] as const

export interface SetupSettings {
  keys: KeyRing
  /** Bytes: the MSS that SYN/ACKs offer. */
  mssIPv4: number
  mssIPv6: number
  /** Milliseconds, 1 to 1000: a child's RTT until it has measured. */
  rttGuessMs: number
  /** Seconds added to CLOCK_BOOTTIME, modulo 2^32: both servers of a pair count the same. */
  clockOffsetSeconds: number
}

/** The 16-byte SipHash key of SYN/ACKs, derived from a region's key. */
export function setupKey(key: Key): Buffer {
  return key.derive('overlay pair setup v1', 16)
}

/** struct setup_settings. */
export function encodeSetupSettings(settings: SetupSettings): Buffer {
  const {keys, mssIPv4, mssIPv6, rttGuessMs, clockOffsetSeconds} = settings
  const bytes = Buffer.alloc(SETUP_SETTINGS_BYTES)
  setupKey(keys.current).copy(bytes, 0)
  if (keys.previous) setupKey(keys.previous).copy(bytes, 16)
  bytes.writeUInt32LE(keys.previous ? 2 : 1, 32)
  bytes.writeUInt32LE(clockOffsetSeconds >>> 0, SETUP_CLOCK_AT)
  bytes.writeUInt32LE(mssIPv4, 40)
  bytes.writeUInt32LE(mssIPv6, 44)
  bytes.writeUInt32LE(rttGuessMs, 48)
  return bytes
}

/** struct setup_role, into `into`. */
export function encodeSetupRole(owner: boolean, via: boolean, into = Buffer.alloc(SETUP_ROLE_BYTES)): Buffer {
  into.writeUInt32LE(owner ? 1 : 0, 0)
  into.writeUInt32LE(via ? 1 : 0, 4)
  return into
}

/** struct listening_address: address and port in network order. */
export function listeningKey({address, port}: Endpoint): Buffer {
  const key = Buffer.alloc(20)
  addressBytes(address).copy(key, 0)
  key.writeUInt16BE(port, 16)
  return key
}

/** struct seen_syn: a SYN that was answered without state. Sequence numbers modulo 2^32. */
export interface SeenSyn {
  /** Milliseconds of CLOCK_BOOTTIME. */
  atMs: number
  /** The client's initial sequence number, and ours. */
  isn: number
  iss: number
  /** TSval of the SYN/ACK and of the SYN; 0 without timestamps. */
  tsval: number
  clientTsval: number
  /** Bits 0-3 window scale, 4-6 MSS index, 7 SACK permitted, 8-9 where they travel. */
  options: number
  /** The MSS that we offered, bytes. */
  mss: number
}

export function decodeSeenSyn(value: Buffer): SeenSyn {
  const u32 = (at: number) => value.readUInt32LE(at)
  return {
    atMs: Number(value.readBigUInt64LE(0)) / 1e6,
    isn: u32(8),
    iss: u32(12),
    tsval: u32(16),
    clientTsval: u32(20),
    options: u32(24),
    mss: u32(28),
  }
}

/** Our ISN less the client's. Without timestamps the options have no other place than its low eight bits. */
export function isnDifference(hash: number, options: number): number {
  if (options >>> 8 === SETUP_WITH_TIMESTAMPS) return hash >>> 0
  return ((hash & ~255) | (options & 255)) >>> 0
}
