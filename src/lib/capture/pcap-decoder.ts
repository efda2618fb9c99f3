import {half, word} from './byte-order.js'
import {LONGEST_PACKET, type DecoderEvents, type FormatDecoder} from './packet-sink.js'

export interface PcapHeader {
  /** Nanosecond timestamps (magic a1b23c4d) or microsecond (a1b2c3d4). */
  nanosecond: boolean
  bigEndian: boolean
  /** Bytes kept of a packet at most. */
  snapLength: number
  /** What a packet begins with (link-types.ts). */
  linkType: number
}

const FILE_HEADER_BYTES = 24
const PACKET_HEADER_BYTES = 16

/** First four bytes of a file, big-endian, to what they say. */
const MAGICS = new Map<number, Pick<PcapHeader, 'nanosecond' | 'bigEndian'>>([
  [0xa1b2c3d4, {nanosecond: false, bigEndian: true}],
  [0xd4c3b2a1, {nanosecond: false, bigEndian: false}],
  [0xa1b23c4d, {nanosecond: true, bigEndian: true}],
  [0x4d3cb2a1, {nanosecond: true, bigEndian: false}],
])

/** Whether a file that begins so is pcap. @param magic its first four bytes, big-endian */
export function isPcapMagic(magic: number): boolean {
  return MAGICS.has(magic)
}

/** pcap (draft-ietf-opsawg-pcap), microsecond or nanosecond, either byte order. */
export class PcapDecoder implements FormatDecoder {
  header: PcapHeader | null = null
  wanted = FILE_HEADER_BYTES
  ended = false
  /** In a packet's header, not in its bytes, when the file ends. */
  #inHeader = true

  constructor(private readonly events: DecoderEvents) {}

  get format(): string {
    if (!this.header) return ''
    const {nanosecond, bigEndian} = this.header
    return `pcap, ${nanosecond ? 'nanoseconds' : 'microseconds'}, ${bigEndian ? 'big' : 'little'}-endian`
  }

  decode(bytes: Buffer, from: number, to: number, offset: number): number {
    let at = from
    if (!this.header) {
      if (to - at < FILE_HEADER_BYTES) return at
      this.header = this.#readHeader(bytes, at, offset)
      if (!this.header) return to
      at += FILE_HEADER_BYTES
    }

    const {bigEndian, nanosecond, linkType} = this.header
    const {events} = this
    const unit = nanosecond ? 1 : 1000
    const perSecond = nanosecond ? 1_000_000_000 : 1_000_000
    this.#inHeader = true
    this.wanted = PACKET_HEADER_BYTES
    while (to - at >= PACKET_HEADER_BYTES) {
      const length = word(bytes, at + 8, bigEndian)
      if (length > LONGEST_PACKET) return this.#end(offset + at - from, `a packet of ${length} bytes`, to)
      const start = at + PACKET_HEADER_BYTES
      if (to - start < length) {
        this.#inHeader = false
        this.wanted = PACKET_HEADER_BYTES + length
        break
      }

      const originalLength = word(bytes, at + 12, bigEndian)
      const fraction = word(bytes, at + 4, bigEndian)
      if (length > originalLength) {
        events.problem(offset + at - from, `${length} bytes captured of a packet of ${originalLength}`, false)
      }

      if (fraction < perSecond) {
        events.packet(bytes, start, length, originalLength, linkType, word(bytes, at, bigEndian), fraction * unit)
      } else {
        events.problem(offset + at - from, `a timestamp has ${fraction} parts of a second`, false)
      }

      at = start + length
    }

    return at
  }

  finish(left: number, offset: number): void {
    if (this.ended) return
    if (!this.header) {
      this.#end(offset, 'shorter than the header of a pcap file', 0)
    } else if (left > 0) {
      const where = this.#inHeader ? 'a packet header' : `a packet of ${this.wanted - PACKET_HEADER_BYTES} bytes`
      this.#end(offset, `the file ends in ${where}`, 0)
    }
  }

  #readHeader(bytes: Buffer, at: number, offset: number): PcapHeader | null {
    const magic = word(bytes, at, true)
    const kind = MAGICS.get(magic)
    if (!kind) {
      this.#end(offset, `not a pcap file: it begins with ${magic.toString(16).padStart(8, '0')}`, 0)
      return null
    }

    const {bigEndian} = kind
    const major = half(bytes, at + 4, bigEndian)
    const minor = half(bytes, at + 6, bigEndian)
    if (major !== 2 || minor !== 4) {
      this.#end(offset + 4, `version ${major}.${minor}; only 2.4 is known`, 0)
      return null
    }

    // The upper bits of the last word tell of a frame check sequence (same draft, section 4).
    return {...kind, snapLength: word(bytes, at + 16, bigEndian), linkType: word(bytes, at + 20, bigEndian) & 0xffff}
  }

  #end(offset: number, problem: string, to: number): number {
    this.ended = true
    this.events.problem(offset, problem, true)
    return to
  }
}
