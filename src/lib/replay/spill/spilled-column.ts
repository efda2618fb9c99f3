import {PAGE_BYTES, PagedFile} from './paged-file.js'
import type {ScratchSpace} from './scratch-space.js'

const A_PAGE = PAGE_BYTES / 8
/** One for adding at the end, and for reading on while that goes on. */
const PAGES = 2

/** Numbers that are added one after the other, of which 128 KiB lie in memory. */
export class SpilledColumn implements Iterable<number> {
  readonly #file: PagedFile
  #length = 0

  constructor(space: ScratchSpace) {
    this.#file = new PagedFile(space, PAGES)
  }

  get length(): number {
    return this.#length
  }

  push(value: number): void {
    const index = this.#length++
    this.#file.page(Math.floor(index / A_PAGE), true).floats[index % A_PAGE] = value
  }

  /** @param index below the length */
  at(index: number): number {
    return this.#file.page(Math.floor(index / A_PAGE)).floats[index % A_PAGE]
  }

  /** All of them, copied into memory. */
  values(): Float64Array {
    const values = new Float64Array(this.#length)
    for (let from = 0; from < this.#length; from += A_PAGE) {
      const {floats} = this.#file.page(from / A_PAGE)
      values.set(floats.subarray(0, Math.min(A_PAGE, this.#length - from)), from)
    }

    return values
  }

  *[Symbol.iterator](): Generator<number> {
    for (let index = 0; index < this.#length; index++) yield this.at(index)
  }

  /** What comes next is the first one again. */
  rewind(): void {
    this.#length = 0
  }
}
