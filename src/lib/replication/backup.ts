import {readFarLeg} from '../wire/far-leg.js'
import {readLegRecord, readRawEndpoint, LEG_RECORD_LENGTH, type LegRecord} from '../wire/leg-record.js'
import {FrameHeader, FrameType, ReplicationProtocolError, type Direction} from '../wire/replication-frame.js'
import {JournalMemory, type Keeper, type Kept} from './journal-memory.js'
import {Journal, type FlowJournal} from './journal.js'
import type {ReplicationSettings} from './settings.js'

/** What a takeover does with one flow. */
export interface TakeoverFlow {
  readonly journal: FlowJournal
  /** both: restore both legs. near: restore the near leg, dial the far one anew, end the half-open one. */
  readonly legs: 'both' | 'near'
}

/** Bytes that lie in memory, or where only the adapter can find them. */
export type Payload = Buffer | {readonly length: number}

/**
 * Sends a frame: its payload are the `header.length` bytes at `start`. Header and payload are good only during the call.
 */
export type Send = (header: FrameHeader, payload: Payload | null, start: number) => void

/**
 * The side that holds what the owner has received. While a snapshot comes it is gathered beside what was held before,
 * which stays good until the snapshot is whole: an owner without the right to go on alone has let nothing out since.
 */
export class Backup {
  /** The flows that a takeover would use; null before the first snapshot is whole. */
  #held: Journal | null = null
  #staged: Journal | null = null
  readonly #memory: JournalMemory
  readonly #send: Send
  readonly #settings: ReplicationSettings
  readonly #header = new FrameHeader()
  /** Flow and direction of what has grown since the last flush. */
  readonly #touched = new Map<number, Set<Direction>>()
  #silentMs = 0
  #lastTick: number | null = null

  /** @param keeper null: everything is copied */
  constructor(settings: ReplicationSettings, send: Send, keeper: Keeper | null = null) {
    this.#settings = settings
    this.#send = send
    this.#memory = new JournalMemory(settings.journalBytes, keeper)
  }

  get synchronised(): boolean {
    return this.#held !== null
  }

  /** What it would carry on with, for status and checks. */
  get held(): Journal | null {
    return this.#held
  }

  get memory(): JournalMemory {
    return this.#memory
  }

  /** Forgets everything: from here on it can take nothing over. */
  drop(): void {
    this.#held?.clear()
    this.#held = null
    this.linkDown()
  }

  /** A link came up or went down: half a snapshot is worth nothing. */
  linkDown(): void {
    this.#staged?.clear()
    this.#staged = null
    this.#touched.clear()
  }

  /** Something came from the owner. */
  heard(now: number): void {
    this.#silentMs = 0
    this.#lastTick = now
  }

  /**
   * Counts silence. A tick that comes late says that this process did not run, not that the other was silent: each counts
   * for at most an eighth of takeoverMs, so frames that wait in the socket are read before anybody is declared dead.
   *
   * @param linkMoves segments of the owner's kernel still come, though nothing of its process gets through: losses hold it
   * up. Silence then counts half.
   * @returns true when the owner has been silent for takeoverMs
   */
  tick(now: number, linkMoves = false): boolean {
    const passed = this.#lastTick === null ? 0 : now - this.#lastTick
    this.#lastTick = now
    this.#silentMs += Math.min(passed, this.#settings.takeoverMs / 8) * (linkMoves ? 0.5 : 1)
    return this.silent
  }

  /** The owner has been silent for takeoverMs: none of its leases can be left. */
  get silent(): boolean {
    return this.#silentMs >= this.#settings.takeoverMs
  }

  /**
   * @throws ReplicationProtocolError
   * @throws JournalFullError
   */
  frame(header: FrameHeader, payload: Buffer): void {
    const {type, flow, direction} = header
    switch (type) {
      case FrameType.SNAPSHOT_BEGIN: {
        this.linkDown()
        this.#staged = new Journal(this.#memory)
        return
      }

      case FrameType.SNAPSHOT_END: {
        if (this.#staged === null) throw new ReplicationProtocolError('a snapshot ends that has not begun')
        this.flush()
        this.#held?.clear()
        this.#held = this.#staged
        this.#staged = null
        this.#reply(FrameType.SNAPSHOT_END, 0, 0, 0)
        return
      }

      case FrameType.HEARTBEAT: {
        this.#reply(FrameType.HEARTBEAT_ACK, 0, 0, header.offset)
        return
      }

      case FrameType.FLOW: {
        const near = this.#record(payload)
        const dialFrom = readRawEndpoint(payload, LEG_RECORD_LENGTH)
        const dialTo = readRawEndpoint(payload, LEG_RECORD_LENGTH + 18)
        this.#journal().open(flow, near, this.#lastTick ?? 0, dialFrom, dialTo, [header.offset, header.acknowledged])
        this.#reply(FrameType.RECORD_ACK, flow, 0, 0)
        return
      }

      case FrameType.LEG: {
        const far = readFarLeg(payload)
        if (far === null) throw new ReplicationProtocolError('a far leg has a field out of range')
        const journal = this.#journal().flow(flow)
        journal.far = far
        journal.farAt = this.#lastTick ?? 0
        this.#reply(FrameType.RECORD_ACK, flow, 1, header.offset)
        return
      }

      case FrameType.END: {
        this.#stream(header).finish(header.offset)
        this.#touch(flow, direction)
        return
      }

      case FrameType.ACK: {
        this.#stream(header).trim(header.acknowledged)
        return
      }

      case FrameType.CLOSE:
      case FrameType.ABORT: {
        this.#journal().remove(flow)
        this.#touched.delete(flow)
        return
      }

      default: {
        throw new ReplicationProtocolError(`frame type ${type} is not for a backup`)
      }
    }
  }

  /**
   * A part of a DATA frame.
   *
   * @throws ReplicationProtocolError
   * @throws JournalFullError
   */
  data(header: FrameHeader, bytes: Buffer, start: number, end: number): void {
    const stream = this.#stream(header)
    stream.append(header.offset, bytes, start, end)
    stream.trim(header.acknowledged)
    this.#touch(header.flow, header.direction)
  }

  /** Where the rest of a DATA frame may be put; {@link Backup.put} follows. @returns null: nowhere, it comes as data */
  keep({flow, direction, offset, length}: FrameHeader): Kept | null {
    return (this.#staged ?? this.#held)?.flows.get(flow)?.stream(direction).keep(offset, length) ?? null
  }

  /**
   * So many bytes of a DATA frame, `header.length`, were put where {@link Backup.keep} said.
   *
   * @throws ReplicationProtocolError
   */
  put(header: FrameHeader): void {
    const stream = this.#stream(header)
    stream.put(header.length)
    stream.trim(header.acknowledged)
    this.#touch(header.flow, header.direction)
  }

  /** Acknowledges what has come since the last call: one frame for each flow and direction. Call it after each read. */
  flush(): void {
    for (const [id, directions] of this.#touched) {
      const flow = this.#journal().flow(id)
      for (const direction of directions) this.#reply(FrameType.ACK, id, direction, flow.stream(direction).held)
    }

    this.#touched.clear()
  }

  /** What to restore, in the order of flow ids. Valid while the journal is kept. */
  plan(): TakeoverFlow[] {
    const flows = [...(this.#held?.flows.values() ?? [])]
    return flows.map((journal) => ({journal, legs: journal.far === null ? 'near' : 'both'}))
  }

  #journal(): Journal {
    const journal = this.#staged ?? this.#held
    if (journal === null) throw new ReplicationProtocolError('a flow before the first snapshot')
    return journal
  }

  #stream({flow, direction}: FrameHeader) {
    return this.#journal().flow(flow).stream(direction)
  }

  #record(payload: Buffer): LegRecord {
    const record = readLegRecord(payload, 0)
    if (record === null) throw new ReplicationProtocolError('a leg record has a field out of range')
    return record
  }

  #touch(flow: number, direction: Direction): void {
    const touched = this.#touched.get(flow)
    if (touched === undefined) this.#touched.set(flow, new Set([direction]))
    else touched.add(direction)
  }

  #reply(type: FrameType, flow: number, direction: Direction, offset: number): void {
    const header = this.#header
    header.type = type
    header.flow = flow
    header.direction = direction
    header.offset = offset
    header.acknowledged = 0
    header.length = 0
    this.#send(header, null, 0)
  }
}
