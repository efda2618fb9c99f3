import {closeSync, fstatSync, openSync, readSync} from 'node:fs'

import {OverlayError} from '../errors/index.js'
import {PcapDecoder, type PcapHeader} from './pcap-decoder.js'

export {LINKTYPE_ETHERNET} from './link-types.js'

export interface PcapPacket {
  /** Nanoseconds since 1970, UTC. */
  timeNs: bigint
  /** The bytes captured: a view that stays good. */
  data: Buffer
  /** The packet's length on the wire, at least `data.length`. */
  originalLength: number
}

/**
 * A pcap file that lies in memory as a whole, for captures that overlay made itself. Strict: what is malformed or cut
 * short ends in an error that names the offset. readCapture() reads any capture, and takes what it can get.
 */
export class PcapReader {
  readonly header: PcapHeader
  readonly #packets: PcapPacket[] = []
  #failure: OverlayError | null = null

  /**
   * @param bytes the whole file
   * @param source names it in errors
   * @throws OverlayError INPUT_INVALID
   */
  constructor(bytes: Buffer, source: string) {
    const decoder = new PcapDecoder({
      packet: (_bytes, at, length, originalLength, _linkType, seconds, nanoseconds) => {
        if (this.#failure) return
        const timeNs = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)
        this.#packets.push({timeNs, data: bytes.subarray(at, at + length), originalLength})
      },
      problem: (offset, problem) => {
        this.#failure ??= new OverlayError('INPUT_INVALID', `${source}, byte ${offset}: ${problem}`)
      },
      skipped() {},
    })
    const end = decoder.decode(bytes, 0, bytes.length, 0)
    decoder.finish(bytes.length - end, end)
    const failure = this.#failure as OverlayError | null
    if (!decoder.header) throw failure ?? new OverlayError('INTERNAL', 'a decoder without header and problem')
    this.header = decoder.header
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
    yield* this.#packets
    if (this.#failure) throw this.#failure
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
