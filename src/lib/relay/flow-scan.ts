import {Pollable, type EpollLoop} from './epoll-loop.js'
import {TopList, type FlowSort} from './flow-order.js'
import type {Flow, FlowQuery, FlowsPart} from './flow-schema.js'
import {Timer} from './timer-wheel.js'

/** The relay is kept from its connections for so long at a stretch, ms; a step that has begun is finished. */
const SLICE_MS = 1

/** Steps between two looks at the clock. */
const STEPS = 16

/** Connections described at a time. */
const PART_LENGTH = 32

/** An answer that nobody asks for the rest of is forgotten after so long, ms. */
const FORGET_MS = 10_000

/** Where connections are looked at. */
export interface FlowSource<C> {
  /** A copy of the list of those open. */
  open(): C[]
  /** Tells apart two connections of one object. Undefined once it has ended. */
  generation(connection: C): number | undefined
  /** @param now ms */
  key(connection: C, sort: FlowSort, now: number): number
  /** The connection for people. */
  describe(connection: C, now: number): Flow
  pair(): FlowsPart['pair']
}

interface Chosen<C> {
  readonly connection: C
  readonly generation: number
}

/**
 * A relay process's answer to one question for flows: looks at all connections in slices between its turns, keeps the
 * largest, and describes them part by part as they are asked for.
 */
export class FlowScan<C> extends Pollable {
  readonly #connections: C[]
  readonly #top: TopList<Chosen<C>>
  /** Smallest first. */
  readonly #keys: number[] = []
  readonly #chosen: Chosen<C>[] = []
  readonly #forget: Timer
  readonly #open: number
  #next = 0
  #matched = 0
  #gone = 0
  #pauseMs = 0
  #ended = false

  /**
   * @param matches does a connection fit the question?
   * @param ready called once, when parts may be asked for
   * @param clock ms
   */
  constructor(
    private readonly loop: Pick<EpollLoop, 'soon' | 'timers'>,
    private readonly source: FlowSource<C>,
    private readonly query: FlowQuery,
    private readonly matches: (connection: C) => boolean,
    private readonly ready: () => void,
    private readonly clock: () => number = () => performance.now(),
  ) {
    super()
    this.#forget = new Timer(() => this.#end())
    this.#connections = source.open()
    this.#open = this.#connections.length
    this.#top = new TopList(query.limit)
    this.loop.soon(this)
  }

  override onEvents(): void {}

  override onTurn(): void {
    if (this.#ended) return
    const begin = this.clock()
    let now = begin
    let done = false
    while (!done && now - begin < SLICE_MS) {
      for (let step = 0; step < STEPS && !done; step++) done = !this.#step(now)
      now = this.clock()
    }

    this.kept(now - begin)
    if (!done) {
      this.loop.soon(this)
      return
    }

    this.#armForget(now)
    this.ready()
  }

  /** The next connections, largest first; the part without any is the last. */
  part(): FlowsPart {
    const now = this.clock()
    const flows: Flow[] = []
    const keys: number[] = []
    while (flows.length < PART_LENGTH && this.#chosen.length > 0) {
      const {connection, generation} = this.#chosen.pop()!
      const key = this.#keys.pop()!
      if (this.source.generation(connection) !== generation) {
        this.#gone++
        continue
      }

      flows.push(this.source.describe(connection, now))
      keys.push(key)
    }

    const more = flows.length > 0
    if (more) this.#armForget(now)
    else this.#end()
    return {
      flows,
      keys,
      more,
      open: this.#open,
      matched: this.#matched,
      pauseMs: this.#pauseMs,
      pair: this.source.pair(),
      gone: this.#gone,
    }
  }

  /** The relay was kept from its connections for so long at a stretch by a part and its sending, ms. */
  kept(ms: number): void {
    this.#pauseMs = Math.max(this.#pauseMs, ms)
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    this.#end()
  }

  /** @returns false when there is nothing left to do */
  #step(now: number): boolean {
    if (this.#next < this.#open) {
      const connection = this.#connections[this.#next++]
      const generation = this.source.generation(connection)
      if (generation === undefined || !this.matches(connection)) return true
      this.#matched++
      this.#top.offer(this.source.key(connection, this.query.sort, now), {connection, generation})
      return true
    }

    const smallest = this.#top.takeSmallest()
    if (smallest === undefined) return false
    this.#keys.push(smallest.key)
    this.#chosen.push(smallest.item)
    return true
  }

  #armForget(now: number): void {
    this.loop.timers.arm(this.#forget, now + FORGET_MS)
  }

  #end(): void {
    this.#ended = true
    this.loop.timers.cancel(this.#forget)
    this.#connections.length = 0
    this.#chosen.length = 0
    this.#keys.length = 0
  }
}
