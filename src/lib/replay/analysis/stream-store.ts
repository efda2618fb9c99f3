import type {CapturedStream} from '../connection.js'

/** The bytes of one direction, put where they belong as they come; of a byte that comes twice the first one stays. */
export class StreamStore {
  #bytes = Buffer.alloc(0)
  /** End of what is known or known to be missing. */
  #length = 0
  /** Known ranges, ascending and apart: from, to, from, to. */
  #known: number[] = []

  /** @param most bytes that are kept, from the first of the stream on */
  constructor(private readonly most: number) {}

  /**
   * @param offset of the segment's first byte in the stream
   * @param length on the wire
   * @param captured of these, at `at` in `bytes`
   */
  add(offset: number, length: number, bytes: Buffer, at: number, captured: number): void {
    const from = Math.max(0, offset)
    const end = Math.min(offset + length, this.most)
    if (end <= from) return
    this.#length = Math.max(this.#length, end)
    this.#grow(end)
    const to = Math.min(offset + captured, end)
    if (to > from) this.#fill(from, to, bytes, at - offset)
  }

  result(): CapturedStream {
    const missing: {from: number; to: number}[] = []
    let at = 0
    for (let index = 0; index < this.#known.length; index += 2) {
      if (this.#known[index] > at) missing.push({from: at, to: this.#known[index]})
      at = this.#known[index + 1]
    }

    if (at < this.#length) missing.push({from: at, to: this.#length})
    return {bytes: this.#bytes.subarray(0, this.#length), missing}
  }

  /** @param shift from a place in the stream to one in `bytes` */
  #fill(from: number, to: number, bytes: Buffer, shift: number): void {
    const known = this.#known
    // Nearly always the segment goes on where the last one ended.
    if (known.length > 0 && known.at(-1) === from) {
      bytes.copy(this.#bytes, from, shift + from, shift + to)
      known[known.length - 1] = to
      return
    }

    const merged: number[] = []
    let low = from
    let high = to
    let at = from
    for (let index = 0; index < known.length; index += 2) {
      const [start, end] = [known[index], known[index + 1]]
      if (end < low || start > high) {
        merged.push(start, end)
        continue
      }

      if (start > at) bytes.copy(this.#bytes, at, shift + at, shift + Math.min(start, to))
      at = Math.max(at, end)
      low = Math.min(low, start)
      high = Math.max(high, end)
    }

    if (at < to) bytes.copy(this.#bytes, at, shift + at, shift + to)
    let index = 0
    while (index < merged.length && merged[index] < low) index += 2
    merged.splice(index, 0, low, high)
    this.#known = merged
  }

  #grow(end: number): void {
    if (end <= this.#bytes.length) return
    const larger = Buffer.alloc(Math.min(this.most, Math.max(4096, end, this.#bytes.length * 2)))
    this.#bytes.copy(larger, 0, 0, this.#bytes.length)
    this.#bytes = larger
  }
}
