import {ReplicationProtocolError, type Direction} from '../wire/replication-frame.js'
import type {FarLeg} from '../wire/far-leg.js'
import type {LegRecord, RawEndpoint} from '../wire/leg-record.js'

import {KeptRun, Slab, type JournalMemory, type Kept} from './journal-memory.js'

/** What a flow without any byte costs. */
const FLOW_OVERHEAD = 2048

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
  /** The bytes from `base` to `end`. */
  #runs: (Slab | KeptRun)[] = []

  constructor(memory: JournalMemory, base: number) {
    this.#memory = memory
    this.base = base
    this.end = base
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
    const last = this.#runs.at(-1)
    const room = last instanceof Slab ? last.room : 0
    const more = fresh > room ? this.#memory.takeSlabs(fresh - room) : []
    let at = start + known
    if (last instanceof Slab) at += last.fill(bytes, at, end)
    for (const bytesOfSlab of more) {
      const slab = new Slab(bytesOfSlab)
      this.#runs.push(slab)
      at += slab.fill(bytes, at, end)
    }

    this.end += fresh
  }

  /**
   * Where the next bytes may be put to be kept without a copy; {@link StreamJournal.put} must follow when some were.
   *
   * @param length how many are to come
   * @returns null when none may come now, none fit, or the keeper has nothing
   */
  keep(offset: number, length: number): Kept | null {
    const {keeper} = this.#memory
    if (keeper === null || offset !== this.end || this.ended || !this.#memory.has(length)) return null
    const last = this.#runs.at(-1)
    if (last instanceof KeptRun && !last.full) return last.kept
    const kept = keeper.take()
    if (kept !== null) this.#runs.push(new KeptRun(kept))
    return kept
  }

  /** So many bytes were put where {@link StreamJournal.keep} said. */
  put(length: number): void {
    this.#memory.take(length)
    this.end += length
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
    const to = Math.min(acknowledged, this.end)
    let gone = 0
    while (gone < this.#runs.length && this.base < to) {
      const run = this.#runs[gone]
      const part = Math.min(run.length, to - this.base)
      this.base += part
      if (part < run.length) run.drop(part, this.#memory)
      else {
        run.giveTo(this.#memory)
        gone++
      }
    }

    if (gone > 0) this.#runs.splice(0, gone)
  }

  /** The bytes from `base` to `end`, in order, where possible not copied. */
  pending(): Buffer[] {
    return this.#runs.map((run) => run.read())
  }

  /** Gives its memory back. */
  clear(): void {
    for (const run of this.#runs) run.giveTo(this.#memory)
    this.#runs = []
    this.base = this.end
  }

  #compare(offset: number, bytes: Buffer, start: number, end: number): void {
    let at = this.base
    for (const run of this.#runs) {
      const from = Math.max(at, offset)
      const to = Math.min(at + run.length, offset + end - start)
      if (
        from < to &&
        run.read().compare(bytes, start + from - offset, start + to - offset, from - at, to - at) !== 0
      ) {
        throw new ReplicationProtocolError(`other bytes than those held between ${from} and ${to}`)
      }

      at += run.length
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
