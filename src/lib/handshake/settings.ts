import type {KeyRing} from '../keys/key-file.js'
import {handshakeKey} from './suggested-isn.js'

/** Bytes of struct settings in bpf/settings.h. */
export const SETTINGS_BYTES = 104
/** Where the clock's offset stands in it, i32, s. */
export const SETTINGS_CLOCK_AT = 44

/** What user space tells the programs. */
export interface Settings {
  keys: KeyRing
  /** From SO_NETNS_COOKIE. */
  netnsCookie: bigint
  /** Seconds added to the clock of the number's making; 0 outside tests and scenarios. */
  clockOffsetSeconds: number
  /** Bytes: at a gateway its own MSS; at an edge what it assumes of a gateway not heard yet. */
  mssIPv4: number
  mssIPv6: number
  /** Milliseconds, 1 to 1000: the RTT that a gateway's child starts with for an edge not heard before. */
  rttGuessMs: number
  /** Segments; 0 leaves the kernel's. */
  initialWindow: number
  /** At an edge: open again by keep-alive probes until the gateway is heard. */
  keepalive: boolean
  /** Middle-leg sockets that use the first congestion control get the second; null leaves them alone. */
  congestion: {from: string; to: string} | null
}

/** struct settings of bpf/settings.h, little-endian. */
export function encodeSettings(settings: Settings): Buffer {
  const bytes = Buffer.alloc(SETTINGS_BYTES)
  handshakeKey(settings.keys.current).copy(bytes, 0)
  if (settings.keys.previous) handshakeKey(settings.keys.previous).copy(bytes, 16)
  bytes.writeBigUInt64LE(settings.netnsCookie, 32)
  bytes.writeUInt32LE(settings.keys.previous ? 2 : 1, 40)
  bytes.writeInt32LE(settings.clockOffsetSeconds, SETTINGS_CLOCK_AT)
  bytes.writeUInt32LE(settings.mssIPv4, 48)
  bytes.writeUInt32LE(settings.mssIPv6, 52)
  bytes.writeUInt32LE(settings.rttGuessMs, 56)
  bytes.writeUInt32LE(settings.initialWindow, 60)
  bytes.writeUInt32LE(settings.keepalive ? 1 : 0, 64)
  if (settings.congestion) {
    bytes.write(settings.congestion.from, 72, 15, 'latin1')
    bytes.write(settings.congestion.to, 88, 15, 'latin1')
  }

  return bytes
}
