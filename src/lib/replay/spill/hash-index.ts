import {PagedFile} from './paged-file.js'
import type {ScratchSpace} from './scratch-space.js'

/** Of places, 8 bytes each: the hash, and the number + 1. */
const PAGE_BYTES = 16 << 10
const A_PAGE = PAGE_BYTES / 8
/** 4 MiB: an index of 260,000 numbers lies in memory as a whole. */
const PAGES = 256

/**
 * Finds numbers by the hash of what they stand for: open addressing over a {@link PagedFile}, at most half full. What they
 * stand for lies elsewhere, so whoever asks says which of the numbers with the same hash it is.
 */
export class HashIndex {
  #file: PagedFile
  /** Of the count of places: a place is the upper bits of a hash, so that a larger index has the order of a smaller one. */
  #power = 11
  #length = 0

  constructor(private readonly space: ScratchSpace) {
    this.#file = new PagedFile(space, PAGES, PAGE_BYTES)
  }

  /**
   * @param hash 32 bits
   * @param is whether a number with this hash is the one that is meant
   * @returns the number; -1 when there is none
   */
  lookUp(hash: number, is: (number: number) => boolean): number {
    for (let place = this.#home(hash); ; place = this.#after(place)) {
      const {words} = this.#file.page(Math.floor(place / A_PAGE))
      const at = (place % A_PAGE) * 2
      if (words[at + 1] === 0) return -1
      const number = words[at + 1] - 1
      if (words[at] === (hash | 0) && is(number)) return number
    }
  }

  /**
   * @param number 0 to 2^31 - 2
   * @param former the number in whose stead it comes; -1 for none
   */
  set(hash: number, number: number, former = -1): void {
    for (let place = this.#home(hash); ; place = this.#after(place)) {
      const page = this.#file.page(Math.floor(place / A_PAGE), true)
      const at = (place % A_PAGE) * 2
      const isFormer = former !== -1 && page.words[at] === (hash | 0) && page.words[at + 1] === former + 1
      if (page.words[at + 1] !== 0 && !isFormer) continue
      page.words[at] = hash
      page.words[at + 1] = number + 1
      if (!isFormer) this.#length++
      break
    }

    if (this.#length * 2 > 2 ** this.#power) this.#grow()
  }

  #home(hash: number): number {
    return (hash >>> 0) >>> (32 - this.#power)
  }

  #after(place: number): number {
    return place + 1 === 2 ** this.#power ? 0 : place + 1
  }

  #grow(): void {
    const former = this.#file
    const places = 2 ** this.#power
    this.#file = new PagedFile(this.space, PAGES, PAGE_BYTES)
    this.#power++
    this.#length = 0
    for (let place = 0; place < places; place++) {
      const {words} = former.page(Math.floor(place / A_PAGE))
      const at = (place % A_PAGE) * 2
      if (words[at + 1] !== 0) this.set(words[at], words[at + 1] - 1)
    }

    former.clear()
  }
}
