import {ReplicationProtocolError, type Direction} from '../wire/replication-frame.js'
import type {FarLeg} from '../wire/far-leg.js'
import type {LegRecord, RawEndpoint} from '../wire/leg-record.js'

/** What a piece of kept bytes costs beside itself; charged so that many small pieces stay within the bound too. */
const CHUNK_OVERHEAD = 128

/** What a flow without any byte costs. */
const FLOW_OVERHEAD = 2048

/**
 * The journals' memory is full. Declared policy: the backup forgets everything, says so and leaves the pair; the primary
 * then does as its `onBackupLoss` says. A journal with a hole would be worth nothing, and a silent one would lie.
 */
export class JournalFullError extends Error {
  override readonly name = 'JournalFullError'
}

/** Memory of all journals of one backup, in bytes, overheads included. */
export class JournalMemory {
  used = 0
  highest = 0

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
  #chunks: Buffer[] = []
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
    this.#memory.take(fresh + CHUNK_OVERHEAD)
    this.#chunks.push(Buffer.from(bytes.subarray(start + known, end)))
    this.end += fresh
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
    while (gone < this.#chunks.length && this.#first + this.#chunks[gone].length <= this.base) {
      this.#first += this.#chunks[gone].length
      this.#memory.give(this.#chunks[gone].length + CHUNK_OVERHEAD)
      gone++
    }

    if (gone > 0) this.#chunks.splice(0, gone)
  }

  /** The bytes from `base` to `end`, in order, not copied. */
  pending(): Buffer[] {
    const skip = this.base - this.#first
    if (skip === 0) return [...this.#chunks]
    return this.#chunks.map((chunk, index) => (index === 0 ? chunk.subarray(skip) : chunk))
  }

  /** Gives its memory back. */
  clear(): void {
    for (const chunk of this.#chunks) this.#memory.give(chunk.length + CHUNK_OVERHEAD)
    this.#chunks = []
    this.#first = this.end
    this.base = this.end
  }

  #compare(offset: number, bytes: Buffer, start: number, end: number): void {
    let at = this.#first
    for (const chunk of this.#chunks) {
      const from = Math.max(at, offset)
      const to = Math.min(at + chunk.length, offset + end - start)
      if (from < to && chunk.compare(bytes, start + from - offset, start + to - offset, from - at, to - at) !== 0) {
        throw new ReplicationProtocolError(`other bytes than those held between ${from} and ${to}`)
      }

      at += chunk.length
    }
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
