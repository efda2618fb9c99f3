import {once} from 'node:events'
import {setImmediate as nextTurn} from 'node:timers/promises'

import {OverlayError} from '../errors/index.js'
import {word} from './byte-order.js'
import {DamagedSource, openByteSource, type ByteSource} from './byte-source.js'
import {isPcapMagic, PcapDecoder} from './pcap-decoder.js'
import {PcapngBlock, PcapngDecoder} from './pcapng-decoder.js'
import type {DecoderEvents, FormatDecoder, PacketSink} from './packet-sink.js'

export interface CaptureProblem {
  /** As given: a path, or `-`. */
  source: string
  /** Where it begins in the capture, bytes, unzipped. */
  offset: number
  /** In words, e.g. `the file ends in a packet of 1514 bytes`. */
  problem: string
  /** Whether nothing after it was read. */
  ended: boolean
}

export interface CaptureSummary {
  source: string
  /** E.g. `pcap, nanoseconds, little-endian`. */
  format: string
  packets: number
  /** Unzipped. */
  bytes: number
  /** The first {@link MOST_PROBLEMS}, and in the last of them how many more there were. */
  problems: CaptureProblem[]
  /** Packets that are there and cannot be used, by reason. */
  skipped: Record<string, number>
}

export interface ReadOptions {
  /** Called some times a second at most. @param taken bytes of the source as it lies there */
  onProgress?: (taken: number, packets: number) => void
  /** Stops reading; what came until then counts. */
  signal?: AbortSignal
}

/** Problems that are kept of a source; a damaged file may have one for each packet. */
export const MOST_PROBLEMS = 20
/** The window over the capture; it grows when a block needs more. */
const WINDOW_BYTES = 1 << 20
/** How much is read between two turns of the event loop. */
const BYTES_A_TURN = 32 << 20

/**
 * Reads a capture, pcap or pcapng, from a file, a named pipe or standard input, in memory that does not grow with it.
 *
 * @param source a path, or `-`
 * @returns when it ends, or when it cannot be read any further: see `problems`
 * @throws OverlayError NOT_FOUND; INPUT_INVALID when it is no capture
 */
export async function readCapture(
  source: string,
  sink: PacketSink,
  options: ReadOptions = {},
): Promise<CaptureSummary> {
  const bytes = await openByteSource(source)
  try {
    return await new CaptureReader(source, sink).read(bytes, options)
  } finally {
    bytes.close()
  }
}

class CaptureReader implements DecoderEvents {
  readonly #summary: CaptureSummary
  #decoder: FormatDecoder | null = null
  #moreProblems = 0
  #window = Buffer.allocUnsafeSlow(WINDOW_BYTES)

  constructor(
    private readonly source: string,
    private readonly sink: PacketSink,
  ) {
    this.#summary = {source, format: '', packets: 0, bytes: 0, problems: [], skipped: {}}
  }

  async read(bytes: ByteSource, {onProgress, signal}: ReadOptions): Promise<CaptureSummary> {
    const summary = this.#summary
    /** The window holds the capture's bytes from `offset` on: `filled` of them, those before `at` are done with. */
    let offset = 0
    let filled = 0
    let at = 0
    let untilTurn = BYTES_A_TURN
    let damage: string | null = null
    while (!this.#decoder?.ended && !signal?.aborted) {
      if (at > 0) {
        const done = Math.min(at, filled)
        this.#window.copyWithin(0, done, filled)
        offset += done
        filled -= done
        at -= done
      }

      if (this.#decoder && this.#decoder.wanted > this.#window.length) this.#grow(this.#decoder.wanted, filled)
      let count: number
      try {
        const reading = bytes.read(this.#window, filled)
        count = typeof reading === 'number' ? reading : await abortable(reading, signal)
      } catch (error) {
        if (!(error instanceof DamagedSource)) throw error
        damage = error.message
        break
      }

      if (count === 0) break
      filled += count
      summary.bytes += count
      untilTurn -= count
      if (filled >= 4) this.#decoder ??= this.#choose(word(this.#window, 0, true))
      if (this.#decoder && at < filled) at = this.#decoder.decode(this.#window, at, filled, offset + at)
      if (untilTurn <= 0) {
        untilTurn = BYTES_A_TURN
        onProgress?.(bytes.taken, summary.packets)
        await nextTurn()
      }
    }

    if (damage !== null) this.problem(offset + filled, damage, true)
    else if (!signal?.aborted) this.#decoder?.finish(filled - at, offset + at)
    return this.#finish()
  }

  packet(
    bytes: Buffer,
    at: number,
    length: number,
    originalLength: number,
    linkType: number,
    seconds: number,
    nanoseconds: number,
  ): void {
    this.#summary.packets++
    this.sink.packet(bytes, at, length, originalLength, linkType, seconds, nanoseconds)
  }

  problem(offset: number, problem: string, ended: boolean): void {
    const {problems} = this.#summary
    // The end of reading is told whatever came before it.
    if (problems.length < MOST_PROBLEMS - 1 || ended) problems.push({source: this.source, offset, problem, ended})
    else this.#moreProblems++
  }

  skipped(reason: string): void {
    const {skipped} = this.#summary
    this.#summary.packets++
    skipped[reason] = (skipped[reason] ?? 0) + 1
  }

  #choose(magic: number): FormatDecoder {
    if (isPcapMagic(magic)) return new PcapDecoder(this)
    if (magic === PcapngBlock.SECTION) return new PcapngDecoder(this)
    throw this.#invalid(0, `no capture: it begins with ${magic.toString(16).padStart(8, '0')}`)
  }

  #grow(wanted: number, filled: number): void {
    const larger = Buffer.allocUnsafeSlow(2 * wanted)
    this.#window.copy(larger, 0, 0, filled)
    this.#window = larger
  }

  #finish(): CaptureSummary {
    const summary = this.#summary
    summary.format = this.#decoder?.format ?? ''
    const {problems} = summary
    if (summary.format === '' && problems.length > 0) throw this.#invalid(problems[0].offset, problems[0].problem)
    if (summary.format === '' && summary.bytes > 0 && !this.#decoder) throw this.#invalid(0, 'too short for a capture')
    if (this.#moreProblems > 0) {
      const {offset} = problems.at(-1)!
      const problem = `and ${this.#moreProblems} more like these`
      problems.splice(-1, 0, {source: this.source, offset, problem, ended: false})
    }

    return summary
  }

  #invalid(offset: number, problem: string): OverlayError {
    return new OverlayError('INPUT_INVALID', `${this.source}, byte ${offset}: ${problem}`, {
      suggestions: ['give a pcap or pcapng file, as tcpdump -w and Wireshark write them, or one of these in gzip'],
    })
  }
}

/** A read that gives 0, as at the end, when the signal comes first. */
async function abortable(reading: Promise<number>, signal: AbortSignal | undefined): Promise<number> {
  if (!signal) return reading
  const done = new AbortController()
  try {
    return await Promise.race([reading, once(signal, 'abort', {signal: done.signal}).then(() => 0)])
  } finally {
    done.abort()
  }
}
