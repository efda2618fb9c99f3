/**
 * What the other server needs to know of a TCP connection to carry it on (the TCP_REPAIR list: docs/PROTOCOL.md, section
 * 4.3). 80 bytes, big-endian.
 */
export const LEG_RECORD_LENGTH = 80

/** Option flags, as TCP_INFO has them in `tcpi_options`. */
export const LEG_TIMESTAMPS = 1
export const LEG_SACK = 2
export const LEG_WINDOW_SCALING = 4

/** An address and a port as they travel. */
export interface RawEndpoint {
  /** 16 bytes in network order, IPv4 as IPv4-mapped. */
  readonly address: Buffer
  /** 1 to 65535. */
  readonly port: number
}

export interface LegRecord {
  readonly local: RawEndpoint
  readonly remote: RawEndpoint
  /** Initial sequence numbers: ours and the peer's. */
  readonly iss: number
  readonly irs: number
  /** The MSS that was agreed (TCP_MAXSEG in repair). */
  readonly mss: number
  /** 0 to 14 each: of the peer's window, of ours. */
  readonly sendScale: number
  readonly receiveScale: number
  /** LEG_TIMESTAMPS | LEG_SACK | LEG_WINDOW_SCALING. */
  readonly options: number
  /** TCP_TIMESTAMP, and how many ms ago it was read when the record was written. Clocks of two hosts have no common zero. */
  readonly timestamp: number
  readonly ageMs: number
  /** TCP_REPAIR_WINDOW: snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup. */
  readonly windows: readonly [number, number, number, number, number]
}

const MAX_SCALE = 14
const FAMILY_IPV4 = 4
const FAMILY_IPV6 = 6

/** Writes 80 bytes. */
export function writeLegRecord(into: Buffer, at: number, leg: LegRecord): void {
  into[at] = isMapped(leg.local.address) ? FAMILY_IPV4 : FAMILY_IPV6
  into[at + 1] = leg.options
  into[at + 2] = leg.sendScale
  into[at + 3] = leg.receiveScale
  into.writeUInt16BE(leg.mss, at + 4)
  into.writeUInt16BE(0, at + 6)
  writeRawEndpoint(into, at + 8, leg.local)
  writeRawEndpoint(into, at + 26, leg.remote)
  into.writeUInt32BE(leg.iss, at + 44)
  into.writeUInt32BE(leg.irs, at + 48)
  into.writeUInt32BE(leg.timestamp, at + 52)
  into.writeUInt32BE(leg.ageMs, at + 56)
  for (const [index, value] of leg.windows.entries()) into.writeUInt32BE(value, at + 60 + index * 4)
}

/**
 * Reads 80 bytes into objects of their own.
 *
 * @returns null when a field is out of its range, or the addresses are not both of the family named
 */
export function readLegRecord(from: Buffer, at: number): LegRecord | null {
  const local = readRawEndpoint(from, at + 8)
  const remote = readRawEndpoint(from, at + 26)
  const options = from[at + 1]
  const sendScale = from[at + 2]
  const receiveScale = from[at + 3]
  const mss = from.readUInt16BE(at + 4)
  const family = from[at]
  if (family !== FAMILY_IPV4 && family !== FAMILY_IPV6) return null
  for (const {address, port} of [local, remote]) {
    if (port === 0 || isMapped(address) !== (family === FAMILY_IPV4)) return null
  }

  if (options > 7 || sendScale > MAX_SCALE || receiveScale > MAX_SCALE) return null
  if (mss === 0 || from.readUInt16BE(at + 6) !== 0) return null
  const window = (index: number): number => from.readUInt32BE(at + 60 + index * 4)
  return {
    local,
    remote,
    iss: from.readUInt32BE(at + 44),
    irs: from.readUInt32BE(at + 48),
    mss,
    sendScale,
    receiveScale,
    options,
    timestamp: from.readUInt32BE(at + 52),
    ageMs: from.readUInt32BE(at + 56),
    windows: [window(0), window(1), window(2), window(3), window(4)],
  }
}

/** Writes 18 bytes: address, port. */
export function writeRawEndpoint(into: Buffer, at: number, {address, port}: RawEndpoint): void {
  address.copy(into, at, 0, 16)
  into.writeUInt16BE(port, at + 16)
}

/** Reads 18 bytes. */
export function readRawEndpoint(from: Buffer, at: number): RawEndpoint {
  return {address: Buffer.from(from.subarray(at, at + 16)), port: from.readUInt16BE(at + 16)}
}

function isMapped(address: Buffer): boolean {
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false
  return address[10] === 0xff && address[11] === 0xff
}
