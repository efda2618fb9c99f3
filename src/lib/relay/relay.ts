import {sys} from '../kernel/libc.js'
import {closeWithReset} from '../kernel/tcp-socket.js'
import type {FarLeg} from '../wire/far-leg.js'
import {
  READABLE,
  STATE_CLOSED,
  STATE_LINGERING,
  STATE_RELAYING,
  type Connection,
  type ConnectionOwner,
  type Side,
} from './connection.js'
import type {EpollLoop} from './epoll-loop.js'
import {Listener, type ListenerOwner} from './listener.js'
import type {RateLimitedLog} from './rate-limited-log.js'
import {resumption, type AdoptedFlow, type PairRelay, type Replicator} from './replicator.js'
import {Slabs} from './slab-pool.js'
import {Transfer, type TransferEnds} from './transfer.js'

/** Idle deadlines are rounded up to this, so that many idle connections share few slots of the timer wheel. */
const IDLE_GRAIN_MS = 1000

/** Closed connection objects kept for use again. */
const POOL_LIMIT = 4096

export interface RelayLimits {
  /** A connection without a byte in either direction for so long is reset, ms. */
  idleTimeoutMs: number
  /** Connections open at a time; more wait in the kernel's accept queue. */
  maxConnections: number
}

/** What both roles count. */
export interface RelayCounters {
  accepted: number
  /** Ended in order, FIN both ways. */
  completed: number
  /** Ended by an RST of either end. */
  reset: number
  idleTimeouts: number
  /** Ended by us at the drain deadline or at a second signal. */
  aborted: number
  /** Bytes read from the accepted and from the dialled sockets. */
  nearBytes: number
  farBytes: number
}

/**
 * What edge and gateway share: connections in a pool, bytes both ways once they may flow, idle deadlines, drain. The
 * roles add how a connection comes to that point.
 */
export abstract class Relay<C extends Connection> implements ConnectionOwner, ListenerOwner, PairRelay, TransferEnds {
  readonly counters: RelayCounters = {
    accepted: 0,
    completed: 0,
    reset: 0,
    idleTimeouts: 0,
    aborted: 0,
    nearBytes: 0,
    farBytes: 0,
  }

  protected readonly slabs = new Slabs()
  protected readonly transfer: Transfer
  protected readonly live: C[] = []
  protected listeners: Listener[] = []
  protected replicator: Replicator | null = null
  private readonly pool: C[] = []
  private full = false
  private onDrained: (() => void) | null = null

  constructor(
    protected readonly loop: EpollLoop,
    protected readonly log: RateLimitedLog,
    protected limits: RelayLimits,
  ) {
    this.transfer = new Transfer(loop, this.slabs, this)
  }

  /** From here on connections are replicated. Call it before {@link Relay.listen}. */
  replicateBy(replicator: Replicator): void {
    this.replicator = replicator
    this.transfer.replicator = replicator
  }

  abstract adopt(flow: AdoptedFlow): C | null
  abstract carryOn(connection: Connection): void
  abstract flowReady(connection: Connection): void
  abstract openingBytes(connection: Connection): Buffer
  abstract accepted(fd: number, listener: Listener, peer: Buffer): void
  /** Events of a connection that does not relay yet. */
  protected abstract openingReady(connection: C, side: Side, mask: number): void
  /** The timer of a connection that does not relay yet. */
  protected abstract openingDeadline(connection: C): void
  protected abstract make(): C

  listen(fds: readonly number[]): void {
    this.listeners = fds.map((fd, index) => new Listener(this.loop, this, this.log, fd, index))
  }

  /** Holds for connections that are open too. */
  applyLimits(limits: RelayLimits): void {
    const {idleTimeoutMs} = this.limits
    this.limits = limits
    if (limits.idleTimeoutMs !== idleTimeoutMs) {
      for (const connection of this.live) {
        if (connection.state === STATE_RELAYING || connection.state === STATE_LINGERING) this.armIdle(connection)
      }
    }

    this.noLongerFull()
  }

  get liveCount(): number {
    return this.live.length
  }

  /** A copy of the list of those open, for somebody who looks at them over several turns. */
  openConnections(): C[] {
    return [...this.live]
  }

  mayAccept(): boolean {
    // Nothing that a new connection begins would leave; in the kernel's queue it waits for as long.
    if (this.replicator?.fenced) return false
    if (this.live.length < this.limits.maxConnections) return true
    this.full = true
    this.log.warning(
      'full',
      () => `${this.limits.maxConnections} connections are open, as many as allowed; new ones wait`,
    )
    return false
  }

  sideReady(side: Side, mask: number): void {
    const connection = side.connection as C
    if (connection.state === STATE_RELAYING) this.relay(connection, side)
    else if (connection.state === STATE_LINGERING) this.linger(connection, side)
    else this.openingReady(connection, side, mask)
  }

  sideTurn(side: Side): void {
    this.sideReady(side, READABLE)
  }

  deadline(connection: Connection): void {
    if (connection.state !== STATE_RELAYING && connection.state !== STATE_LINGERING) {
      this.openingDeadline(connection as C)
      return
    }

    if (this.loop.now - connection.lastActivity < this.limits.idleTimeoutMs) {
      this.armIdle(connection)
      return
    }

    this.counters.idleTimeouts++
    this.close(connection as C, true)
  }

  finished(connection: Connection): void {
    this.counters.completed++
    // The backup must be able to carry it on until both peers have acknowledged everything.
    if (connection.flow === null) this.close(connection as C, false)
    else connection.state = STATE_LINGERING
  }

  flowClosed(connection: Connection): void {
    this.close(connection as C, false)
  }

  resumeReading(): void {
    for (let index = this.live.length - 1; index >= 0; index--) {
      const connection = this.live[index] as C | undefined
      if (connection?.state !== STATE_RELAYING) continue
      const {near} = connection
      const {generation} = near
      if (near.readable) this.relay(connection, near)
      if (near.generation === generation && connection.far.readable) this.relay(connection, connection.far)
    }
  }

  resumeAccepting(): void {
    for (const listener of this.listeners) listener.resume()
  }

  dropAll(close: (fd: number) => void): void {
    while (this.live.length > 0) {
      const connection = this.live.at(-1)!
      connection.flow = null
      for (const side of [connection.near, connection.far]) {
        const {fd} = side
        if (fd < 0) continue
        this.loop.release(side)
        close(fd)
      }

      this.close(connection, false)
    }
  }

  broken(connection: Connection): void {
    this.counters.reset++
    this.close(connection as C, true)
  }

  /**
   * Stops accepting. Calls back when the last connection has ended; {@link Relay.abortAll} hastens that.
   */
  drain(drained: () => void): void {
    this.onDrained = drained
    this.replicator?.handOver()
    for (const listener of this.listeners) listener.close()
    this.checkDrained()
  }

  /** Resets every connection. */
  abortAll(): void {
    while (this.live.length > 0) {
      this.counters.aborted++
      this.close(this.live.at(-1)!, true)
    }
  }

  /** Totals with what live connections have moved so far. */
  countersNow(): RelayCounters {
    const now = {...this.counters}
    for (const connection of this.live) {
      now.nearBytes += connection.near.received - connection.near.adopted
      now.farBytes += connection.far.received - connection.far.adopted
    }

    return now
  }

  /** A connection object for an accepted socket, not yet watched. */
  protected open(fd: number): C {
    const connection = this.pool.pop() ?? this.make()
    connection.index = this.live.length
    connection.lastActivity = this.loop.now
    this.live.push(connection)
    this.counters.accepted++
    this.loop.assign(connection.near, fd)
    connection.near.readable = true
    connection.near.writable = true
    return connection
  }

  /** Lets bytes flow; the caller moves what is ready. */
  protected startRelaying(connection: C): void {
    connection.state = STATE_RELAYING
    connection.lastActivity = this.loop.now
    this.armIdle(connection)
  }

  /** @param withReset the peers see an RST instead of a FIN */
  protected close(connection: C, withReset: boolean): void {
    if (connection.state === STATE_CLOSED) return
    connection.state = STATE_CLOSED
    this.loop.timers.cancel(connection.timer)
    this.counters.nearBytes += connection.near.received - connection.near.adopted
    this.counters.farBytes += connection.far.received - connection.far.adopted
    if (connection.flow !== null && withReset) this.replicator!.abort(connection)
    this.closeSide(connection.near, withReset)
    this.closeSide(connection.far, withReset)
    if (connection.flow !== null) this.replicator!.forget(connection)
    connection.flow = null
    const last = this.live.pop() as C
    if (last !== connection) {
      this.live[connection.index] = last
      last.index = connection.index
    }

    if (this.pool.length < POOL_LIMIT) this.pool.push(connection)
    this.noLongerFull()
    if (this.onDrained !== null) this.checkDrained()
  }

  private noLongerFull(): void {
    if (!this.full) return
    this.full = false
    this.resumeAccepting()
  }

  /** Closes one socket and forgets what was read from it. */
  protected closeSide(side: Side, withReset: boolean): void {
    this.transfer.drop(side)
    if (side.fd >= 0) {
      const {fd} = side
      this.loop.release(side)
      if (withReset) closeWithReset(fd)
      else sys.close(fd)
    }

    side.reset()
  }

  /** Fills the sides of a connection that another server has carried so far. */
  protected adoptSides(connection: C, {farFd, streams}: AdoptedFlow): void {
    const {near, far} = connection
    if (farFd >= 0) this.loop.assign(far, farFd)
    for (const [index, side] of [near, far].entries()) {
      side.received = streams[index].end
      side.adopted = streams[index].end
      side.ended = streams[index].ended
      side.readable = side.fd >= 0
      side.writable = side.fd >= 0
    }
  }

  /** Gives the kernel what both peers may still need. @returns false when it does not take it */
  protected resendBoth({near, far}: C, leg: FarLeg, {streams}: AdoptedFlow): boolean {
    const {transfer} = this
    return (
      transfer.resend(near, resumption(streams[0], leg, 0).parts) &&
      transfer.resend(far, resumption(streams[1], leg, 1).parts)
    )
  }

  /** Closes what cannot be carried on; its peers see an RST. */
  protected abandon(connection: C): null {
    this.close(connection, true)
    return null
  }

  /** Forgets an accepted connection that this server must not speak for. */
  protected disown(connection: C): void {
    const {near} = connection
    const {fd} = near
    this.loop.release(near)
    this.replicator?.discard(fd)
    this.close(connection, false)
  }

  /** Only an error is news: its peer has forgotten the connection. What the other one still needs is with the kernel. */
  private linger(_connection: C, side: Side): void {
    if (side.failed) this.partWith(side)
  }

  /**
   * A peer that has sent its FIN, and was sent ours, answers with an RST: it has no such connection any more, as after a
   * takeover whose other leg had ended in order. That is no news for the peer on the other side.
   */
  private partWith(side: Side): void {
    const {fd} = side
    this.loop.release(side)
    sys.close(fd)
    side.gone = true
    side.readable = false
    side.writable = false
  }

  /** Serves a side of a relaying connection that has become readable or writable, in both directions. */
  protected relay(connection: C, side: Side): void {
    const {generation} = side
    if (side.readable) {
      this.transfer.move(side)
      if (side.generation !== generation) return
      if (side.failed && !side.queued) {
        if (connection.flow === null || !side.ended || !side.shut) {
          // What it had sent could not all be passed on, or it had ended before: nothing more will come of it.
          this.broken(connection)
          return
        }

        this.partWith(side)
        return
      }
    }

    if (side.writable) {
      const {peer} = side
      if (peer.readable || peer.waiting > 0 || peer.ended) this.transfer.move(peer)
    }
  }

  private armIdle(connection: Connection): void {
    const deadline = connection.lastActivity + this.limits.idleTimeoutMs
    this.loop.timers.arm(connection.timer, Math.ceil(deadline / IDLE_GRAIN_MS) * IDLE_GRAIN_MS)
  }

  private checkDrained(): void {
    if (this.live.length > 0 || this.onDrained === null) return
    const drained = this.onDrained
    this.onDrained = null
    drained()
  }
}
