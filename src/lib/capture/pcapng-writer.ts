import {PcapngBlock} from './pcapng-decoder.js'
import {pcapngClock} from './pcapng-time.js'

export interface PcapngInterface {
  linkType: number
  snapLength?: number
  /** The byte of if_tsresol: a negative power of ten, or of two with bit 7 set; microseconds when not given. */
  resolution?: number
  /** if_tsoffset, s. */
  offsetSeconds?: number
}

const NO_SECTION_LENGTH = 0xffffffff
const OPTION_IF_TSRESOL = 9
const OPTION_IF_TSOFFSET = 14

/** Blocks of one section of a pcapng file (draft-ietf-opsawg-pcapng section 4), in either byte order. */
export class PcapngWriter {
  readonly #interfaces: PcapngInterface[] = []

  constructor(private readonly bigEndian: boolean) {}

  /** Begins the section. */
  section(): Buffer {
    const body = Buffer.alloc(16)
    this.#word(body, 0, 0x1a2b3c4d)
    this.#half(body, 4, 1)
    this.#word(body, 8, NO_SECTION_LENGTH)
    this.#word(body, 12, NO_SECTION_LENGTH)
    return this.block(PcapngBlock.SECTION, body)
  }

  /** Describes the next interface; the first has number 0. */
  interface(description: PcapngInterface): Buffer {
    this.#interfaces.push(description)
    const {linkType, snapLength = 0, resolution, offsetSeconds} = description
    const fixed = Buffer.alloc(8)
    this.#half(fixed, 0, linkType)
    this.#word(fixed, 4, snapLength)
    const options: Buffer[] = []
    if (resolution !== undefined) options.push(this.#option(OPTION_IF_TSRESOL, Buffer.of(resolution)))
    if (offsetSeconds !== undefined) {
      const value = Buffer.alloc(8)
      if (this.bigEndian) value.writeBigInt64BE(BigInt(offsetSeconds))
      else value.writeBigInt64LE(BigInt(offsetSeconds))
      options.push(this.#option(OPTION_IF_TSOFFSET, value))
    }

    if (options.length > 0) options.push(Buffer.alloc(4))
    return this.block(PcapngBlock.INTERFACE, Buffer.concat([fixed, ...options]))
  }

  /**
   * An enhanced packet block.
   *
   * @param seconds since 1970, UTC; at least the interface's offset
   * @param nanoseconds below 10^9; what the interface's resolution cannot say is cut off
   */
  packet(number: number, data: Uint8Array, seconds: number, nanoseconds: number, originalLength = data.length): Buffer {
    const {resolution = 6, offsetSeconds = 0} = this.#interfaces[number]
    const perSecond = pcapngClock(resolution, 0).exactUnitsPerSecond
    const ticks = BigInt(seconds - offsetSeconds) * perSecond + (BigInt(nanoseconds) * perSecond) / 1_000_000_000n
    const body = Buffer.alloc(20 + padded(data.length))
    this.#word(body, 0, number)
    this.#word(body, 4, Number((ticks >> 32n) & 0xffffffffn))
    this.#word(body, 8, Number(ticks & 0xffffffffn))
    this.#word(body, 12, data.length)
    this.#word(body, 16, originalLength)
    body.set(data, 20)
    return this.block(PcapngBlock.ENHANCED_PACKET, body)
  }

  /** A block of any type. @param body padded to 32 bits here */
  block(type: number, body: Uint8Array): Buffer {
    const length = 12 + padded(body.length)
    const bytes = Buffer.alloc(length)
    this.#word(bytes, 0, type)
    this.#word(bytes, 4, length)
    bytes.set(body, 8)
    this.#word(bytes, length - 4, length)
    return bytes
  }

  #option(code: number, value: Buffer): Buffer {
    const bytes = Buffer.alloc(4 + padded(value.length))
    this.#half(bytes, 0, code)
    this.#half(bytes, 2, value.length)
    value.copy(bytes, 4)
    return bytes
  }

  #word(bytes: Buffer, at: number, value: number): void {
    if (this.bigEndian) bytes.writeUInt32BE(value, at)
    else bytes.writeUInt32LE(value, at)
  }

  #half(bytes: Buffer, at: number, value: number): void {
    if (this.bigEndian) bytes.writeUInt16BE(value, at)
    else bytes.writeUInt16LE(value, at)
  }
}

function padded(length: number): number {
  return (length + 3) & ~3
}
