import {PAGE_BYTES, PagedFile} from '../spill/paged-file.js'
import type {ScratchSpace} from '../spill/scratch-space.js'

/** Records lie in slots of a power of two, so that one that grows takes at most four times its bytes in all. */
const SMALLEST_SLOT = 256
/** Before each record its length, 4 bytes. */
const HEAD_BYTES = 4
/** Slots are of 2^0 to 2^8 times the smallest. */
const SIZES = 16
/** 4 MiB of records in memory, and 1 MiB of their places. */
const RECORD_PAGES = 64
const PLACE_PAGES = 16
const PLACES_A_PAGE = PAGE_BYTES / 8

/** Keeps records of up to 64 KiB less 4 bytes by number, those that were used last in memory. */
export class RecordStore {
  /** By number: where its slot begins, in smallest slots, times {@link SIZES}, and the power of its size, and 1; 0 for none. */
  readonly #places: PagedFile
  readonly #records: PagedFile
  #end = 0

  constructor(space: ScratchSpace, recordPages = RECORD_PAGES) {
    this.#places = new PagedFile(space, PLACE_PAGES)
    this.#records = new PagedFile(space, recordPages)
  }

  /** Bytes of records that lie in the file. */
  get bytesInFile(): number {
    return this.#records.bytesInFile
  }

  /**
   * Keeps a record in the place of the last one of that number.
   *
   * @param number new ones in any order
   * @param record is copied
   */
  put(number: number, record: Buffer): void {
    const needed = record.length + HEAD_BYTES
    let slot = this.#slotOf(number)
    if (slot === -1 || sizeOf(slot) < needed) {
      slot = this.#allocate(needed)
      this.#places.page(Math.floor(number / PLACES_A_PAGE), true).floats[number % PLACES_A_PAGE] = slot + 1
    }

    const offset = offsetOf(slot)
    const {bytes} = this.#records.page(Math.floor(offset / PAGE_BYTES), true)
    const at = bytes.writeUInt32LE(record.length, offset % PAGE_BYTES)
    record.copy(bytes, at)
  }

  /** @returns the record of that number, or null; it holds until the next call */
  get(number: number): Buffer | null {
    const slot = this.#slotOf(number)
    if (slot === -1) return null
    const offset = offsetOf(slot)
    const {bytes} = this.#records.page(Math.floor(offset / PAGE_BYTES))
    const at = (offset % PAGE_BYTES) + HEAD_BYTES
    return bytes.subarray(at, at + bytes.readUInt32LE(at - HEAD_BYTES))
  }

  #slotOf(number: number): number {
    return this.#places.page(Math.floor(number / PLACES_A_PAGE)).floats[number % PLACES_A_PAGE] - 1
  }

  #allocate(bytes: number): number {
    let power = 0
    while (SMALLEST_SLOT << power < bytes) power++
    const size = SMALLEST_SLOT << power
    // No slot lies across two pages.
    const left = PAGE_BYTES - (this.#end % PAGE_BYTES)
    if (left < size) this.#end += left
    const offset = this.#end
    this.#end += size
    return (offset / SMALLEST_SLOT) * SIZES + power
  }
}

function offsetOf(slot: number): number {
  return Math.floor(slot / SIZES) * SMALLEST_SLOT
}

/** Bytes of a slot. */
function sizeOf(slot: number): number {
  return SMALLEST_SLOT << (slot % SIZES)
}
