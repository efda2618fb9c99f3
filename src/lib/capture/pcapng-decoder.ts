import {half, word} from './byte-order.js'
import {LONGEST_PACKET, type DecoderEvents, type FormatDecoder} from './packet-sink.js'
import {DEFAULT_CLOCK, pcapngClock, splitTime, type PcapngClock, type SplitTime} from './pcapng-time.js'

/** Block types of draft-ietf-opsawg-pcapng, section 4. */
export const PcapngBlock = {
  SECTION: 0x0a0d0d0a,
  INTERFACE: 1,
  /** Obsolete, and still in old files. */
  PACKET: 2,
  SIMPLE_PACKET: 3,
  ENHANCED_PACKET: 6,
} as const

/** Byte-order magic of a section header. */
const ORDER_BIG = 0x1a2b3c4d
const ORDER_LITTLE = 0x4d3c2b1a
/** Type, length, and the length again at the end. */
const BLOCK_OVERHEAD = 12
const SECTION_LEAST = 28
const INTERFACE_LEAST = 20
const PACKET_LEAST = 32
/** A packet block: the packet, its fields and options. */
const LONGEST_PACKET_BLOCK = LONGEST_PACKET + 65_536
/** Blocks of other types are passed over without being looked at when they are longer. */
const LONGEST_OTHER_BLOCK = 65_536
const MOST_INTERFACES = 65_536
const OPTION_END = 0
const OPTION_IF_TSRESOL = 9
const OPTION_IF_TSOFFSET = 14

interface Interface {
  linkType: number
  clock: PcapngClock
}

/** pcapng: several sections of either byte order, several interfaces of their own link type and clock. */
export class PcapngDecoder implements FormatDecoder {
  wanted = BLOCK_OVERHEAD
  ended = false
  #bigEndian = false
  #sections = 0
  /** Of the present section. */
  #interfaces: Interface[] = []
  readonly #time: SplitTime = {seconds: 0, nanoseconds: 0}

  constructor(private readonly events: DecoderEvents) {}

  get format(): string {
    if (this.#sections === 0) return ''
    return `pcapng, ${this.#sections === 1 ? '1 section' : `${this.#sections} sections`}`
  }

  decode(bytes: Buffer, from: number, to: number, offset: number): number {
    let at = from
    this.wanted = BLOCK_OVERHEAD
    while (to - at >= BLOCK_OVERHEAD) {
      const place = offset + at - from
      const isSection = word(bytes, at, true) === PcapngBlock.SECTION
      if (isSection && !this.#readByteOrder(bytes, at, place)) return to
      if (!isSection && this.#sections === 0) return this.#end(place, 'not a pcapng file', to)
      const type = isSection ? PcapngBlock.SECTION : word(bytes, at, this.#bigEndian)
      const length = word(bytes, at + 4, this.#bigEndian)
      if (length < BLOCK_OVERHEAD || length % 4 !== 0) return this.#end(place, `a block of ${length} bytes`, to)
      const looked = isSection || type === PcapngBlock.INTERFACE || this.#isPacket(type)
      if (looked && length > LONGEST_PACKET_BLOCK) return this.#end(place, `a block of ${length} bytes`, to)
      if (!looked && length > LONGEST_OTHER_BLOCK) {
        at += length
        continue
      }

      if (to - at < length) {
        this.wanted = length
        break
      }

      const again = word(bytes, at + length - 4, this.#bigEndian)
      if (again !== length) {
        return this.#end(place, `a block of ${length} bytes says ${again} at its end`, to)
      }

      if (!this.#readBlock(type, bytes, at, length, place)) return to
      at += length
    }

    return at
  }

  finish(left: number, offset: number): void {
    if (this.ended) return
    if (this.#sections === 0) this.#end(offset, 'shorter than the header of a pcapng file', 0)
    else if (left > 0) {
      this.#end(offset, left < BLOCK_OVERHEAD ? 'the file ends in a block header' : this.#cutShort(), 0)
    } else if (left < 0) this.#end(offset, `the file ends ${-left} bytes before the end of a block`, 0)
  }

  #cutShort(): string {
    return `the file ends in a block of ${this.wanted} bytes`
  }

  #isPacket(type: number): boolean {
    return type === PcapngBlock.ENHANCED_PACKET || type === PcapngBlock.SIMPLE_PACKET || type === PcapngBlock.PACKET
  }

  #readByteOrder(bytes: Buffer, at: number, place: number): boolean {
    const magic = word(bytes, at + 8, true)
    if (magic !== ORDER_BIG && magic !== ORDER_LITTLE) {
      this.#end(place + 8, `no byte order in a section header: ${magic.toString(16).padStart(8, '0')}`, 0)
      return false
    }

    this.#bigEndian = magic === ORDER_BIG
    return true
  }

  /** @returns false when nothing more can be read */
  #readBlock(type: number, bytes: Buffer, at: number, length: number, place: number): boolean {
    switch (type) {
      case PcapngBlock.ENHANCED_PACKET:
      case PcapngBlock.PACKET: {
        this.#readPacket(bytes, at, length, place, type === PcapngBlock.PACKET)
        return true
      }

      case PcapngBlock.SIMPLE_PACKET: {
        this.events.skipped('a simple packet block has no time')
        return true
      }

      case PcapngBlock.INTERFACE: {
        return this.#readInterface(bytes, at, length, place)
      }

      case PcapngBlock.SECTION: {
        return this.#readSection(bytes, at, length, place)
      }

      default: {
        return true
      }
    }
  }

  #readSection(bytes: Buffer, at: number, length: number, place: number): boolean {
    const major = length < SECTION_LEAST ? 0 : half(bytes, at + 12, this.#bigEndian)
    if (major !== 1) {
      const problem =
        length < SECTION_LEAST ? `a section header of ${length} bytes` : `version ${major}; only 1 is known`
      this.#end(place, problem, 0)
      return false
    }

    this.#sections++
    this.#interfaces = []
    return true
  }

  #readInterface(bytes: Buffer, at: number, length: number, place: number): boolean {
    if (length < INTERFACE_LEAST) this.events.problem(place, `an interface description of ${length} bytes`, false)
    if (this.#interfaces.length >= MOST_INTERFACES) {
      this.#end(place, `more than ${MOST_INTERFACES} interfaces`, 0)
      return false
    }

    // A description that cannot be read still has its number.
    this.#interfaces.push({
      linkType: length < INTERFACE_LEAST ? -1 : half(bytes, at + 8, this.#bigEndian),
      clock: length < INTERFACE_LEAST ? DEFAULT_CLOCK : this.#readClock(bytes, at + 16, at + length - 4),
    })
    return true
  }

  #readClock(bytes: Buffer, from: number, end: number): PcapngClock {
    let resolution = 6
    let offset = 0
    let at = from
    while (at + 4 <= end) {
      const code = half(bytes, at, this.#bigEndian)
      const length = half(bytes, at + 2, this.#bigEndian)
      if (code === OPTION_END || at + 4 + length > end) break
      if (code === OPTION_IF_TSRESOL && length === 1) resolution = bytes[at + 4]
      if (code === OPTION_IF_TSOFFSET && length === 8) {
        offset = Number(this.#bigEndian ? bytes.readBigInt64BE(at + 4) : bytes.readBigInt64LE(at + 4))
      }

      at += 4 + ((length + 3) & ~3)
    }

    return resolution === 6 && offset === 0 ? DEFAULT_CLOCK : pcapngClock(resolution, offset)
  }

  /** @param old the obsolete packet block: interface and drop count in 16 bits each */
  #readPacket(bytes: Buffer, at: number, length: number, place: number, old: boolean): void {
    if (length < PACKET_LEAST) {
      this.events.problem(place, `a packet block of ${length} bytes`, false)
      return
    }

    const order = this.#bigEndian
    const number = old ? half(bytes, at + 8, order) : word(bytes, at + 8, order)
    const from = number < this.#interfaces.length ? this.#interfaces[number] : null
    if (from === null) {
      this.events.problem(place, `a packet of interface ${number} of ${this.#interfaces.length}`, false)
      return
    }

    const captured = word(bytes, at + 20, order)
    if (captured > length - PACKET_LEAST || captured > LONGEST_PACKET) {
      this.events.problem(place, `a packet of ${captured} bytes in a block of ${length}`, false)
      return
    }

    const original = word(bytes, at + 24, order)
    if (captured > original) {
      this.events.problem(place, `${captured} bytes captured of a packet of ${original}`, false)
    }

    splitTime(from.clock, word(bytes, at + 12, order), word(bytes, at + 16, order), this.#time)
    const {seconds, nanoseconds} = this.#time
    this.events.packet(bytes, at + 28, captured, original, from.linkType, seconds, nanoseconds)
  }

  #end(place: number, problem: string, to: number): number {
    this.ended = true
    this.events.problem(place, problem, true)
    return to
  }
}
