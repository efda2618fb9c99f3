import {ReplicationProtocolError, type Direction, type Room} from '../wire/replication-frame.js'
import type {FarLeg} from '../wire/far-leg.js'
import type {LegRecord, RawEndpoint} from '../wire/leg-record.js'

/** Bytes are kept in slabs of these sizes: the small one is for streams that never have much under way. */
const SMALL_SLAB = 4096
const LARGE_SLAB = 65_536
/** For bytes that are read to where they stay. */
const BULK_SLAB = 262_144

/** What a slab costs beside itself. */
const SLAB_OVERHEAD = 128

/** Bytes of free slabs of each size that are kept, so that a steady load allocates nothing. */
const FREE_BYTES = 67_108_864

/** What a flow without any byte costs. */
const FLOW_OVERHEAD = 2048

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
  readonly #free: Record<number, Buffer[]> = {[SMALL_SLAB]: [], [LARGE_SLAB]: [], [BULK_SLAB]: []}

  constructor(readonly limit: number) {}

  /** @throws JournalFullError */
  take(bytes: number): void {
    if (this.used + bytes > this.limit) {
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

  /** A slab for the first of so many bytes. @returns null when it does not fit */
  takeSlab(length: number): Buffer | null {
    const size = length <= LARGE_SLAB ? LARGE_SLAB : BULK_SLAB
    if (this.used + size + SLAB_OVERHEAD > this.limit) return null
    this.take(size + SLAB_OVERHEAD)
    return this.#free[size].pop() ?? Buffer.allocUnsafeSlow(size)
  }

  giveSlab(slab: Buffer): void {
    this.give(slab.length + SLAB_OVERHEAD)
    const free = this.#free[slab.length]
    if ((free.length + 1) * slab.length <= FREE_BYTES) free.push(slab)
  }
}

/** One direction of one flow: the bytes from `base` (what the far peer has acknowledged) to `end`. */
export class StreamJournal {
  /** Offset of the first byte that may still be needed. */
  base: number
  /** Offset behind the last byte. */
  end: number
  /** The sender has closed its direction at `end`. */
  ended = false
  /** The far peer has acknowledged that end too. */
  endAcknowledged = false
  readonly #memory: JournalMemory
  /** The bytes from `#first` to `end`; all slabs but the last are full. */
  #slabs: Buffer[] = []
  /** Bytes in the last one. */
  #filled = 0
  #first: number

  constructor(memory: JournalMemory, base: number) {
    this.#memory = memory
    this.base = base
    this.end = base
    this.#first = base
  }

  /** What is held, the end counted as one more, as TCP counts a FIN. */
  get held(): number {
    return this.end + (this.ended ? 1 : 0)
  }

  /**
   * Keeps a copy of bytes. A repetition of bytes that are here is accepted, other bytes in their place are not.
   *
   * @throws ReplicationProtocolError for a gap, for other bytes, for bytes after the end
   * @throws JournalFullError and keeps nothing of them
   */
  append(offset: number, bytes: Buffer, start: number, end: number): void {
    if (offset > this.end) throw new ReplicationProtocolError(`bytes at ${offset} after a gap: ${this.end} are held`)
    const known = Math.min(this.end - offset, end - start)
    if (known > 0) this.#compare(offset, bytes, start, start + known)
    const fresh = end - start - known
    if (fresh === 0) return
    if (this.ended) throw new ReplicationProtocolError(`bytes at ${offset} after the end at ${this.end}`)
    const room = this.#slabs.length === 0 ? 0 : this.#slabs.at(-1)!.length - this.#filled
    const more = fresh > room ? this.#memory.takeSlabs(fresh - room) : []
    let at = start + known
    if (room > 0) at += this.#fill(bytes, at, end)
    for (const slab of more) {
      this.#slabs.push(slab)
      this.#filled = 0
      at += this.#fill(bytes, at, end)
    }

    this.end += fresh
  }

  /**
   * Where the next bytes would be kept: read to there, they are not copied by {@link StreamJournal.append}. A slab for
   * them may be taken.
   *
   * @param length how many are to come
   * @returns false when none may come now, or none fit
   */
  room(offset: number, length: number, into: Room): boolean {
    if (offset !== this.end || this.ended) return false
    if (this.#slabs.length === 0 || this.#filled === this.#slabs.at(-1)!.length) {
      const slab = this.#memory.takeSlab(length)
      if (slab === null) return false
      this.#slabs.push(slab)
      this.#filled = 0
    }

    into.bytes = this.#slabs.at(-1)!
    into.start = this.#filled
    into.length = into.bytes.length - into.start
    return true
  }

  /** @throws ReplicationProtocolError when the end is not where the bytes end */
  finish(offset: number): void {
    if (offset !== this.end) throw new ReplicationProtocolError(`an end at ${offset}, but ${this.end} bytes are held`)
    this.ended = true
  }

  /**
   * Forgets what the far peer has acknowledged. An offset below `base` changes nothing.
   *
   * @param acknowledged its end counted as one more
   * @throws ReplicationProtocolError when it is beyond what is held
   */
  trim(acknowledged: number): void {
    if (acknowledged > this.held) {
      throw new ReplicationProtocolError(`${acknowledged} acknowledged, but ${this.held} are held`)
    }

    if (acknowledged > this.end) this.endAcknowledged = true
    this.base = Math.max(this.base, Math.min(acknowledged, this.end))
    let gone = 0
    while (gone < this.#slabs.length && this.#first + this.#lengthOf(gone) <= this.base) {
      this.#first += this.#lengthOf(gone)
      this.#memory.giveSlab(this.#slabs[gone])
      gone++
    }

    if (gone > 0) this.#slabs.splice(0, gone)
  }

  /** The bytes from `base` to `end`, in order, not copied. */
  pending(): Buffer[] {
    const skip = this.base - this.#first
    return this.#slabs.map((slab, index) => slab.subarray(index === 0 ? skip : 0, this.#lengthOf(index)))
  }

  /** Gives its memory back. */
  clear(): void {
    for (const slab of this.#slabs) this.#memory.giveSlab(slab)
    this.#slabs = []
    this.#first = this.end
    this.base = this.end
  }

  #compare(offset: number, bytes: Buffer, start: number, end: number): void {
    let at = this.#first
    for (const [index, slab] of this.#slabs.entries()) {
      const length = this.#lengthOf(index)
      const from = Math.max(at, offset)
      const to = Math.min(at + length, offset + end - start)
      if (from < to && slab.compare(bytes, start + from - offset, start + to - offset, from - at, to - at) !== 0) {
        throw new ReplicationProtocolError(`other bytes than those held between ${from} and ${to}`)
      }

      at += length
    }
  }

  /** Puts what fits into the last slab, where it may lie already. @returns how much that was */
  #fill(bytes: Buffer, start: number, end: number): number {
    const slab = this.#slabs.at(-1)!
    const inPlace = bytes === slab && start === this.#filled
    const copied = inPlace ? end - start : bytes.copy(slab, this.#filled, start, end)
    this.#filled += copied
    return copied
  }

  #lengthOf(index: number): number {
    return index === this.#slabs.length - 1 ? this.#filled : this.#slabs[index].length
  }
}

/** One flow as the backup knows it. */
export class FlowJournal {
  /** R2: null until the far leg has been told of; replaced when another was dialled. */
  far: FarLeg | null = null
  /** When `far` came, as `nearAt`. */
  farAt = 0
  readonly streams: readonly [StreamJournal, StreamJournal]

  /**
   * @param near R1
   * @param nearAt when it came, ms on this server's clock: its `ageMs` counts from then
   * @param dialFrom where the far leg is dialled from: after a takeover its half-open connection is ended from there
   * @param bases where the journal of each direction begins
   * @throws JournalFullError
   */
  constructor(
    readonly id: number,
    readonly near: LegRecord,
    readonly nearAt: number,
    readonly dialFrom: RawEndpoint,
    readonly dialTo: RawEndpoint,
    memory: JournalMemory,
    bases: readonly [number, number],
  ) {
    memory.take(FLOW_OVERHEAD)
    this.streams = [new StreamJournal(memory, bases[0]), new StreamJournal(memory, bases[1])]
  }

  stream(direction: Direction): StreamJournal {
    return this.streams[direction]
  }
}

/** All flows of one backup. */
export class Journal {
  readonly flows = new Map<number, FlowJournal>()

  constructor(readonly memory: JournalMemory) {}

  /** @throws ReplicationProtocolError when it is not known */
  flow(id: number): FlowJournal {
    const flow = this.flows.get(id)
    if (flow === undefined) throw new ReplicationProtocolError(`flow ${id} is not known`)
    return flow
  }

  /**
   * @throws ReplicationProtocolError when it is known already
   * @throws JournalFullError
   */
  open(
    id: number,
    near: LegRecord,
    nearAt: number,
    dialFrom: RawEndpoint,
    dialTo: RawEndpoint,
    bases: readonly [number, number],
  ): void {
    if (this.flows.has(id)) throw new ReplicationProtocolError(`flow ${id} was opened before`)
    this.flows.set(id, new FlowJournal(id, near, nearAt, dialFrom, dialTo, this.memory, bases))
  }

  /** Forgets a flow and gives its memory back. */
  remove(id: number): void {
    const flow = this.flow(id)
    for (const stream of flow.streams) stream.clear()
    this.memory.give(FLOW_OVERHEAD)
    this.flows.delete(id)
  }

  clear(): void {
    for (const id of this.flows.keys()) this.remove(id)
  }
}
