import {closeSync, openSync, readSync, unlinkSync, writeSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {Column} from '../column.js'

/** Records lie in slots of a power of two, so that one that grows takes at most four times its bytes in all. */
const SMALLEST_SLOT = 256
const CHUNK_BYTES = 1 << 20
/** So much stays in memory; older chunks go to a file. */
const CHUNKS_IN_MEMORY = 8
/** Before each record its length, 4 bytes. */
const HEAD_BYTES = 4
/** Slots are of 2^0 to 2^12 times the smallest. */
const SIZES = 16

/**
 * Keeps records of up to 1 MiB by number. What is beyond 8 MiB lies in a temporary file that has no name any more, so
 * nothing is left of it whatever ends the process. Where no such file can be written, all of it stays in memory.
 */
export class RecordStore {
  /** By number: where its slot begins, in smallest slots, times {@link SIZES}, and the power of its size; -1 for none. */
  readonly #slots = new Column()
  /** Null once it is in the file. */
  readonly #chunks: (Buffer | null)[] = []
  #end = 0
  #oldestInMemory = 0
  #fd = -1
  #read = Buffer.alloc(0)
  #mayGoToFile = true

  constructor(private readonly chunksInMemory = CHUNKS_IN_MEMORY) {}

  /** How many chunks of 1 MiB lie in the file. */
  get chunksInFile(): number {
    return this.#oldestInMemory
  }

  /**
   * Keeps a record in the place of the last one of that number.
   *
   * @param number new ones in any order
   * @param record is copied
   */
  put(number: number, record: Buffer): void {
    while (this.#slots.length <= number) this.#slots.push(-1)
    const slots = this.#slots.values()
    const needed = record.length + HEAD_BYTES
    if (slots[number] === -1 || sizeOf(slots[number]) < needed) slots[number] = this.#allocate(needed)
    const offset = offsetOf(slots[number])
    const head = Buffer.allocUnsafe(HEAD_BYTES)
    head.writeUInt32LE(record.length)
    const chunk = this.#chunks[Math.floor(offset / CHUNK_BYTES)]
    if (chunk) {
      const at = offset % CHUNK_BYTES
      head.copy(chunk, at)
      record.copy(chunk, at + HEAD_BYTES)
      return
    }

    writeAll(this.#fd, Buffer.concat([head, record]), offset)
  }

  /** @returns the record of that number, or null; it holds until the next call */
  get(number: number): Buffer | null {
    const slot = number < this.#slots.length ? this.#slots.at(number) : -1
    if (slot === -1) return null
    const offset = offsetOf(slot)
    const size = sizeOf(slot)
    const chunk = this.#chunks[Math.floor(offset / CHUNK_BYTES)]
    const at = chunk ? offset % CHUNK_BYTES : 0
    const bytes = chunk ?? this.#fromFile(offset, size)
    return bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + bytes.readUInt32LE(at))
  }

  /** Gives the file back; nothing can be read after that. */
  close(): void {
    if (this.#fd !== -1) closeSync(this.#fd)
    this.#fd = -1
  }

  #allocate(bytes: number): number {
    let power = 0
    while (SMALLEST_SLOT << power < bytes) power++
    const size = SMALLEST_SLOT << power
    // No slot lies across two chunks.
    const left = CHUNK_BYTES - (this.#end % CHUNK_BYTES)
    if (left < size) this.#end += left
    const offset = this.#end
    this.#end += size
    if (this.#end > this.#chunks.length * CHUNK_BYTES) {
      this.#chunks.push(Buffer.allocUnsafe(CHUNK_BYTES))
      if (this.#chunks.length - this.#oldestInMemory > this.chunksInMemory) this.#toFile()
    }

    return (offset / SMALLEST_SLOT) * SIZES + power
  }

  #fromFile(offset: number, size: number): Buffer {
    if (this.#read.length < size) this.#read = Buffer.allocUnsafe(size)
    readSync(this.#fd, this.#read, 0, size, offset)
    return this.#read
  }

  #toFile(): void {
    if (!this.#mayGoToFile) return
    const number = this.#oldestInMemory
    const chunk = this.#chunks[number]!
    try {
      if (this.#fd === -1) this.#fd = openNameless()
      writeAll(this.#fd, chunk, number * CHUNK_BYTES)
    } catch {
      // A full disk, or none to write to.
      this.#mayGoToFile = false
      return
    }

    this.#chunks[number] = null
    this.#oldestInMemory++
  }
}

function offsetOf(slot: number): number {
  return Math.floor(slot / SIZES) * SMALLEST_SLOT
}

/** Bytes of a slot. */
function sizeOf(slot: number): number {
  return SMALLEST_SLOT << (slot % SIZES)
}

function writeAll(fd: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, at + done)
}

function openNameless(): number {
  const path = join(tmpdir(), `overlay-records-${process.pid}-${Math.random().toString(36).slice(2)}`)
  const fd = openSync(path, 'wx+', 0o600)
  unlinkSync(path)
  return fd
}
