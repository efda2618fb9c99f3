import {readSync, writeSync} from 'node:fs'

import type {ScratchSpace} from './scratch-space.js'

/** A piece of a {@link PagedFile}, in memory until another one takes its place: use it before the next is asked for. */
export interface Page {
  number: number
  readonly bytes: Buffer
  /** The same memory as numbers of this machine's byte order. */
  readonly words: Int32Array
  readonly floats: Float64Array
  dirty: boolean
}

/** A page of this size costs some 10 µs when it has to come from the file. */
export const PAGE_BYTES = 64 << 10

/**
 * Memory of any length, all zeros at first, of which only the pages used last are in memory; the others lie in a file of
 * the scratch space. Where none can be written, all stays in memory.
 */
export class PagedFile {
  readonly #pages = new Map<number, Page>()
  #last: Page | null = null
  #fd = -1
  #written = 0

  /**
   * @param most pages in memory
   * @param pageBytes a multiple of 8
   */
  constructor(
    private readonly space: ScratchSpace,
    private readonly most: number,
    readonly pageBytes = PAGE_BYTES,
  ) {}

  /** Bytes of the file: up to the end of the last page in it. */
  get bytesInFile(): number {
    return this.#written
  }

  /**
   * @param number from 0
   * @param change whether the caller writes into it
   * @throws OverlayError SYSTEM_CALL_FAILED when the file cannot be read
   */
  page(number: number, change = false): Page {
    let page = this.#last
    if (page === null || page.number !== number) {
      page = this.#pages.get(number) ?? this.#fetch(number)
      // The order of the map is the order of use.
      this.#pages.delete(number)
      this.#pages.set(number, page)
      this.#last = page
    }

    if (change) page.dirty = true
    return page
  }

  /** All of it is gone, and its room is given back. */
  clear(): void {
    this.#pages.clear()
    this.#last = null
    if (this.#fd !== -1) this.space.release(this.#fd)
    this.#fd = -1
    this.#written = 0
  }

  #fetch(number: number): Page {
    const page = (this.#pages.size >= this.most ? this.#evict() : null) ?? newPage(this.pageBytes)
    page.number = number
    page.dirty = false
    const from = number * this.pageBytes
    let filled = 0
    try {
      while (from + filled < this.#written && filled < this.pageBytes) {
        const count = readSync(this.#fd, page.bytes, filled, this.pageBytes - filled, from + filled)
        if (count === 0) break // nothing but zeros was ever there
        filled += count
      }
    } catch (error) {
      throw this.space.unreadable(error)
    }

    page.bytes.fill(0, filled)
    return page
  }

  /** @returns the page that was not used for the longest time, free for another number; null when it cannot be written */
  #evict(): Page | null {
    const [[number, page]] = this.#pages
    if (page.dirty) {
      if (this.space.failure !== null) return null
      try {
        if (this.#fd === -1) this.#fd = this.space.open()
        const from = number * this.pageBytes
        for (let done = 0; done < this.pageBytes;) {
          done += writeSync(this.#fd, page.bytes, done, this.pageBytes - done, from + done)
        }

        this.#written = Math.max(this.#written, from + this.pageBytes)
      } catch (error) {
        this.space.failed(error)
        return null
      }
    }

    this.#pages.delete(number)
    return page
  }
}

function newPage(bytes: number): Page {
  const memory = new ArrayBuffer(bytes)
  return {
    number: -1,
    bytes: Buffer.from(memory),
    words: new Int32Array(memory),
    floats: new Float64Array(memory),
    dirty: false,
  }
}
