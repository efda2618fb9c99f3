/** Bytes are kept in slabs of these sizes: the small one is for streams that never have much under way. */
const SMALL_SLAB = 4096
const LARGE_SLAB = 65_536

/** What a slab costs beside itself. */
const SLAB_OVERHEAD = 128

/** Bytes of free slabs of each size that are kept, so that a steady load allocates nothing. */
const FREE_BYTES = 16_777_216

/** Bytes where they came, in their order; whoever puts them there does so at the end. */
export interface Kept {
  readonly length: number
  /** Takes no more before some were dropped. */
  readonly full: boolean
  /** Forgets the first. */
  drop(length: number): void
  /** All of them, copied; none is left in it. */
  take(): Buffer
}

/** Lends what bytes can be kept in without being copied. */
export interface Keeper {
  /** @returns null when there is none to be had */
  take(): Kept | null
  /** It may still hold something. */
  give(kept: Kept): void
}

/**
 * The journals' memory is full. Declared policy: the backup forgets everything, says so and leaves the pair; the primary
 * then does as its `onBackupLoss` says. A journal with a hole would be worth nothing, and a silent one would lie.
 */
export class JournalFullError extends Error {
  override readonly name = 'JournalFullError'
}

/** Memory of all journals of one backup, in bytes, overheads included: whole slabs count, not what is in them. */
export class JournalMemory {
  used = 0
  highest = 0
  readonly #free: Record<number, Buffer[]> = {[SMALL_SLAB]: [], [LARGE_SLAB]: []}

  /** @param keeper null: everything is copied into slabs */
  constructor(
    readonly limit: number,
    readonly keeper: Keeper | null = null,
  ) {}

  has(bytes: number): boolean {
    return this.used + bytes <= this.limit
  }

  /** @throws JournalFullError */
  take(bytes: number): void {
    if (!this.has(bytes)) {
      throw new JournalFullError(`the journals hold ${this.used} of ${this.limit} bytes, ${bytes} more do not fit`)
    }

    this.used += bytes
    this.highest = Math.max(this.highest, this.used)
  }

  give(bytes: number): void {
    this.used -= bytes
  }

  /**
   * Slabs for so many bytes; nothing is taken when they do not fit.
   *
   * @throws JournalFullError
   */
  takeSlabs(length: number): Buffer[] {
    const sizes: number[] = []
    for (let left = length; left > 0; left -= LARGE_SLAB) sizes.push(left <= SMALL_SLAB ? SMALL_SLAB : LARGE_SLAB)
    this.take(sizes.reduce((sum, size) => sum + size + SLAB_OVERHEAD, 0))
    return sizes.map((size) => this.#free[size].pop() ?? Buffer.allocUnsafeSlow(size))
  }

  giveSlab(slab: Buffer): void {
    this.give(slab.length + SLAB_OVERHEAD)
    const free = this.#free[slab.length]
    if ((free.length + 1) * slab.length <= FREE_BYTES) free.push(slab)
  }
}

/** A run of a stream's bytes, copied into a slab. */
export class Slab {
  /** Bytes at its beginning that are used, and how many of them are forgotten. */
  filled = 0
  dropped = 0

  constructor(private readonly bytes: Buffer) {}

  get length(): number {
    return this.filled - this.dropped
  }

  get full(): boolean {
    return this.filled === this.bytes.length
  }

  get room(): number {
    return this.bytes.length - this.filled
  }

  /** @returns how many of them had room */
  fill(bytes: Buffer, start: number, end: number): number {
    const copied = bytes.copy(this.bytes, this.filled, start, end)
    this.filled += copied
    return copied
  }

  drop(length: number): void {
    this.dropped += length
  }

  read(): Buffer {
    return this.bytes.subarray(this.dropped, this.filled)
  }

  giveTo(memory: JournalMemory): void {
    memory.giveSlab(this.bytes)
  }
}

/** A run of a stream's bytes that is where it came. It counts with its length. */
export class KeptRun {
  /** Once somebody has looked into it. */
  #copy: Buffer | null = null

  constructor(readonly kept: Kept) {}

  get length(): number {
    return this.#copy?.length ?? this.kept.length
  }

  get full(): boolean {
    return this.#copy !== null || this.kept.full
  }

  drop(length: number, memory: JournalMemory): void {
    memory.give(length)
    if (this.#copy === null) this.kept.drop(length)
    else this.#copy = this.#copy.subarray(length)
  }

  read(): Buffer {
    this.#copy ??= this.kept.take()
    return this.#copy
  }

  giveTo(memory: JournalMemory): void {
    memory.give(this.length)
    memory.keeper!.give(this.kept)
  }
}
