import {openSync, closeSync, fstatSync, readSync} from 'node:fs'

import {OverlayError} from '../errors/index.js'

/** LINKTYPE_ETHERNET of tcpdump.org/linktypes.html. */
export const LINKTYPE_ETHERNET = 1

export interface PcapHeader {
  /** Nanosecond timestamps (magic a1b23c4d) or microsecond (a1b2c3d4). */
  nanosecond: boolean
  bigEndian: boolean
  /** Bytes kept of a packet at most. */
  snapLength: number
  /** What a packet begins with; see {@link LINKTYPE_ETHERNET}. */
  linkType: number
}

export interface PcapPacket {
  /** Nanoseconds since 1970, UTC. */
  timeNs: bigint
  /** The bytes captured: a view that stays good. */
  data: Buffer
  /** The packet's length on the wire, at least `data.length`. */
  originalLength: number
}

const FILE_HEADER_BYTES = 24
const PACKET_HEADER_BYTES = 16
/** libpcap's MAXIMUM_SNAPLEN: a longer packet is taken for damage. */
const LONGEST_PACKET = 262_144

/**
 * A pcap file (draft-ietf-opsawg-pcap), microsecond or nanosecond, either byte order. Strict: what is malformed or cut
 * short ends in an error that names the offset.
 */
export class PcapReader {
  readonly header: PcapHeader
  readonly #bytes: Buffer
  readonly #source: string

  /**
   * @param bytes the whole file
   * @param source names it in errors
   * @throws OverlayError INPUT_INVALID
   */
  constructor(bytes: Buffer, source: string) {
    this.#bytes = bytes
    this.#source = source
    this.header = this.#readHeader()
  }

  /** @throws OverlayError NOT_FOUND, INPUT_INVALID */
  static open(path: string): PcapReader {
    return new PcapReader(readWhole(path), path)
  }

  /**
   * The packets in the order of the file.
   *
   * @yields each packet
   * @throws OverlayError INPUT_INVALID at the first that is malformed
   */
  *[Symbol.iterator](): Generator<PcapPacket> {
    const bytes = this.#bytes
    const {bigEndian, nanosecond} = this.header
    const word = (at: number): number => (bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at))
    const unit = nanosecond ? 1n : 1000n
    const perSecond = nanosecond ? 1_000_000_000 : 1_000_000
    let at = FILE_HEADER_BYTES
    while (at < bytes.length) {
      if (at + PACKET_HEADER_BYTES > bytes.length) throw this.#invalid(at, 'the file ends in a packet header')
      const fraction = word(at + 4)
      const length = word(at + 8)
      const originalLength = word(at + 12)
      if (fraction >= perSecond) throw this.#invalid(at, `a timestamp has ${fraction} parts of a second`)
      if (length > LONGEST_PACKET) throw this.#invalid(at, `a packet of ${length} bytes`)
      if (length > originalLength) {
        throw this.#invalid(at, `${length} bytes captured of a packet of ${originalLength}`)
      }

      const start = at + PACKET_HEADER_BYTES
      if (start + length > bytes.length) throw this.#invalid(at, `the file ends in a packet of ${length} bytes`)
      const timeNs = BigInt(word(at)) * 1_000_000_000n + BigInt(fraction) * unit
      yield {timeNs, data: bytes.subarray(start, start + length), originalLength}
      at = start + length
    }
  }

  #readHeader(): PcapHeader {
    const bytes = this.#bytes
    if (bytes.length < FILE_HEADER_BYTES) throw this.#invalid(0, 'shorter than the header of a pcap file')
    const magic = bytes.readUInt32BE(0)
    const kinds: Record<number, [nanosecond: boolean, bigEndian: boolean]> = {
      0xa1b2c3d4: [false, true],
      0xd4c3b2a1: [false, false],
      0xa1b23c4d: [true, true],
      0x4d3cb2a1: [true, false],
    }
    const kind = kinds[magic]
    if (!kind) throw this.#invalid(0, `not a pcap file: it begins with ${magic.toString(16).padStart(8, '0')}`)
    const [nanosecond, bigEndian] = kind
    const half = (at: number): number => (bigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at))
    const word = (at: number): number => (bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at))
    if (half(4) !== 2 || half(6) !== 4) throw this.#invalid(4, `version ${half(4)}.${half(6)}; only 2.4 is known`)
    // The upper bits of the last word tell of a frame check sequence (same draft, section 4).
    return {nanosecond, bigEndian, snapLength: word(16), linkType: word(20) & 0xffff}
  }

  #invalid(offset: number, problem: string): OverlayError {
    return new OverlayError('INPUT_INVALID', `${this.#source}, byte ${offset}: ${problem}`)
  }
}

function readWhole(path: string): Buffer {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    throw new OverlayError('NOT_FOUND', `capture ${path} cannot be read`, {
      cause: (error as NodeJS.ErrnoException).code,
    })
  }

  try {
    const {size} = fstatSync(fd)
    const bytes = Buffer.alloc(size)
    let read = 0
    while (read < size) {
      const count = readSync(fd, bytes, read, size - read, read)
      if (count === 0) break
      read += count
    }

    return bytes.subarray(0, read)
  } finally {
    closeSync(fd)
  }
}
