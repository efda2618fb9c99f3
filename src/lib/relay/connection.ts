import {EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP} from '../kernel/socket-constants.js'
import type {Pipe} from '../kernel/pipe.js'
import {Pollable} from './epoll-loop.js'
import type {ReplicatedFlow} from './replicator.js'
import type {Slab} from './slab-pool.js'
import {Timer} from './timer-wheel.js'

/** Events that mean "a read will tell". */
export const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR

/** Who decides what the events of a connection mean: the edge or the gateway relay. */
export interface ConnectionOwner {
  sideReady(side: Side, mask: number): void
  /** The end of a turn, after the transfer asked for another one. */
  sideTurn(side: Side): void
  deadline(connection: Connection): void
}

/** One socket of a connection, and what was read from it and not yet written to its peer. */
export class Side extends Pollable {
  /** The other socket of the connection; always there. */
  peer!: Side
  /** A read may give something: set by an event, cleared by EAGAIN. */
  readable = false
  /** A write may take something. */
  writable = false
  /** The peer has sent FIN (EPOLLRDHUP): a read shorter than asked is the last. */
  hungUp = false
  /** The FIN has been read. */
  ended = false
  /** Our FIN has been sent on this socket. */
  shut = false
  /** An error is pending on the socket: reading goes on until it surfaces. */
  failed = false
  /** Where the held bytes lie; null when none are held. */
  held: Slab | null = null
  heldAt = 0
  heldLength = 0
  /** What was spliced from it and waits for its peer; null when nothing does. Never beside held bytes. */
  pipe: Pipe | null = null
  /** Bytes come in bulk: they are spliced, not copied. */
  splicing = false
  /** Reads in a row that speak for the other way of reading. */
  against = 0
  /** Its peer has said and been told everything, and is gone: the socket is closed, the other one goes on. */
  gone = false
  /** Bytes read from this socket in this connection, by this server or one before it. */
  received = 0
  /** Of these, by servers before it. */
  adopted = 0

  constructor(readonly connection: Connection) {
    super()
  }

  /** Bytes that were read and that the kernel has not taken for the peer. */
  get waiting(): number {
    return this.heldLength + (this.pipe === null ? 0 : this.pipe.length)
  }

  override onEvents(mask: number): void {
    if (mask & EPOLLRDHUP) this.hungUp = true
    if (mask & EPOLLERR) this.failed = true
    if (mask & EPOLLOUT) this.writable = true
    if (mask & READABLE) this.readable = true
    this.connection.owner.sideReady(this, mask)
  }

  override onTurn(): void {
    if (this.fd >= 0) this.connection.owner.sideTurn(this)
  }

  /** As new; the descriptor must be released before. */
  reset(): void {
    this.readable = false
    this.writable = false
    this.hungUp = false
    this.ended = false
    this.shut = false
    this.failed = false
    this.held = null
    this.heldAt = 0
    this.heldLength = 0
    this.pipe = null
    this.splicing = false
    this.against = 0
    this.received = 0
    this.adopted = 0
    this.gone = false
  }
}

/** Two sockets with one fate. Edge and gateway add what they must remember until bytes flow; objects are used again. */
export class Connection {
  /** The accepted socket: the client at an edge, the edge at a gateway. */
  readonly near: Side = new Side(this)
  /** The dialled socket: the gateway at an edge, the origin at a gateway. */
  readonly far: Side = new Side(this)
  readonly timer: Timer
  /** Which state of its owner; 0 is closed. */
  state = 0
  /** Coarse ms of the last byte that moved. */
  lastActivity = 0
  /** Null when nobody replicates it. */
  flow: ReplicatedFlow | null = null
  /** Index in the owner's list of live connections. */
  index = -1

  constructor(readonly owner: ConnectionOwner) {
    this.near.peer = this.far
    this.far.peer = this.near
    this.timer = new Timer(() => this.owner.deadline(this))
  }
}

/** State shared by both roles: bytes flow both ways. */
export const STATE_CLOSED = 0
export const STATE_RELAYING = 1
/** Both directions have ended and all is with the kernel; the peers have not acknowledged everything yet (pairs). */
export const STATE_LINGERING = 100
