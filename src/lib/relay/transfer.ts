import {EAGAIN} from '../kernel/errno.js'
import {allocate, errno, sys, type Memory} from '../kernel/libc.js'
import {MSG_MORE, MSG_NOSIGNAL} from '../kernel/socket-constants.js'
import {shutdownWrite} from '../kernel/tcp-socket.js'
import type {Connection, Side} from './connection.js'
import type {EpollLoop} from './epoll-loop.js'
import type {Replicator} from './replicator.js'
import type {Slabs} from './slab-pool.js'
import {COPY_INSTEAD, noteCopied, SPLICE_LENGTH, Splicer} from './splicer.js'

/** What a transfer tells the relay about a connection's end. */
export interface TransferEnds {
  /** Both directions have ended in order, and everything is with the kernel: close. */
  finished(connection: Connection): void
  /** A socket failed: the other one must see an RST. */
  broken(connection: Connection): void
}

/** Bytes of one read. */
export const READ_LENGTH = 65_536

/** Bytes of one direction before others get their turn; a read counts as a full one. */
const A_TURN = 1_048_576

/**
 * How bytes get from one socket to its peer: copied through one buffer, or in bulk spliced through a pipe. It never reads
 * more than it can hold or write, so a slow reader stops its sender (back-pressure).
 */
export class Transfer {
  /** What is read last lies here, unless a replicator wants it elsewhere: good until the next read of any connection. */
  readonly buffer = allocate(READ_LENGTH)
  /** Null without a pair. */
  replicator: Replicator | null = null
  private readonly splicer = new Splicer()

  constructor(
    private readonly loop: EpollLoop,
    private readonly slabs: Slabs,
    private readonly ends: TransferEnds,
  ) {}

  /** Moves what can be moved from this side to its peer; on return one of the two is not ready, or it asked for a turn. */
  move(from: Side): void {
    const to = from.peer
    let budget = A_TURN
    for (;;) {
      if (from.waiting > 0) {
        if (!to.writable) return
        if (from.pipe === null ? !this.flush(from) : !this.drain(from)) return
        continue
      }

      if (from.ended) {
        this.passEnd(from)
        return
      }

      if (!from.readable || !to.writable || this.replicator?.paused) return
      if (budget <= 0) {
        this.loop.soon(from)
        return
      }

      if (from.splicing) {
        budget -= SPLICE_LENGTH
        if (!this.fill(from)) return
        continue
      }

      budget -= READ_LENGTH
      const place = from.connection.flow === null ? null : this.replicator!.place(READ_LENGTH)
      const memory = place ?? this.buffer
      const start = place === null ? 0 : this.replicator!.placeAt
      const length = sys.recv(from.fd, memory.address + start, READ_LENGTH, 0)
      if (length < 0) {
        if (errno() === EAGAIN) from.readable = false
        else this.ends.broken(from.connection)
        return
      }

      if (length === 0) {
        this.noteEnd(from)
        continue
      }

      noteCopied(from, length)
      this.noteRead(from, memory.bytes, start, length, READ_LENGTH)
      if (!this.deliver(from, memory, start, length)) return
    }
  }

  /**
   * Bytes were read from a side, `length` of them at `start`. Shorter than asked, the read emptied the socket; with the
   * FIN announced before, it was the last. A pending error must still be fetched by another read.
   */
  noteRead(from: Side, bytes: Buffer, start: number, length: number, asked: number): void {
    from.received += length
    const {connection} = from
    connection.lastActivity = this.loop.now
    if (connection.flow !== null && (from === connection.near || connection.flow.farOpen)) {
      this.replicator!.received(from, bytes, start, start + length)
    }

    if (length < asked && !from.failed) {
      if (from.hungUp) this.noteEnd(from)
      else from.readable = false
    }
  }

  /** The FIN was read. */
  noteEnd(from: Side): void {
    from.ended = true
    const {connection} = from
    if (connection.flow !== null && (from === connection.near || connection.flow.farOpen)) {
      this.replicator!.ended(from)
    }
  }

  /**
   * Gives the kernel what must be sent again of a direction, after a takeover.
   *
   * @returns false when the kernel does not take it: the connection is not to be saved
   */
  resend(from: Side, parts: readonly Buffer[]): boolean {
    for (const part of parts) {
      for (let at = 0; at < part.length;) {
        const length = Math.min(READ_LENGTH, part.length - at)
        part.copy(this.buffer.bytes, 0, at, at + length)
        const sent = sys.send(from.peer.fd, this.buffer.address, length, MSG_NOSIGNAL)
        if (sent < 0) return false
        at += sent
      }
    }

    return true
  }

  /**
   * Writes bytes that the caller read from this side to its peer, and holds what the kernel does not take.
   *
   * @param start where in the memory the bytes begin
   * @returns false when the connection is gone
   */
  deliver(from: Side, memory: Memory, start: number, length: number): boolean {
    const to = from.peer
    const at = memory.address + start
    // The last bytes and the FIN that follows leave in one packet.
    let sent = to.writable ? sys.send(to.fd, at, length, from.ended ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL) : 0
    if (sent < 0) {
      if (errno() !== EAGAIN) {
        this.ends.broken(from.connection)
        return false
      }

      sent = 0
    }

    if (sent < length) {
      to.writable = false
      this.hold(from, memory, start + sent, length - sent)
    }

    return true
  }

  /** Writes held bytes; false when some remain or the connection is gone. */
  private flush(from: Side): boolean {
    const to = from.peer
    const sent = sys.send(to.fd, from.heldAt, from.heldLength, from.ended ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL)
    if (sent < 0) {
      if (errno() === EAGAIN) to.writable = false
      else this.ends.broken(from.connection)
      return false
    }

    from.heldAt += sent
    from.heldLength -= sent
    from.connection.lastActivity = this.loop.now
    if (from.heldLength > 0) {
      to.writable = false
      return false
    }

    this.drop(from)
    return true
  }

  /** Takes a side's bytes into a pipe. @returns false when it has none, or its connection is gone */
  private fill(from: Side): boolean {
    const {splicer, replicator} = this
    const {connection} = from
    const replicated = connection.flow !== null
    if (replicated && !replicator!.takesPipes) {
      from.splicing = false
      return true
    }

    const length = splicer.fill(from)
    if (length > 0) {
      from.received += length
      connection.lastActivity = this.loop.now
      if (!replicated || replicator!.spliced(from)) return true
      this.ends.broken(connection)
      return false
    }

    if (length === 0) {
      this.noteEnd(from)
      return true
    }

    if (length === COPY_INSTEAD) return true
    if (errno() === EAGAIN) from.readable = false
    else this.ends.broken(connection)
    return false
  }

  /** Gives the peer what is in the pipe; false when some remains or the connection is gone. */
  private drain(from: Side): boolean {
    const to = from.peer
    if (this.splicer.drain(from) < 0) {
      if (errno() === EAGAIN) to.writable = false
      else this.ends.broken(from.connection)
      return false
    }

    from.connection.lastActivity = this.loop.now
    return true
  }

  /** Gives back what a side's bytes wait in, and forgets them. */
  drop(side: Side): void {
    this.splicer.drop(side)
    if (side.held !== null) this.slabs.give(side.held)
    side.held = null
    side.heldLength = 0
  }

  private hold(from: Side, memory: Memory, start: number, length: number): void {
    const slab = this.slabs.takeFor(length)
    memory.bytes.copy(slab.bytes, 0, start, start + length)
    from.held = slab
    from.heldAt = slab.address
    from.heldLength = length
  }

  private passEnd(from: Side): void {
    const to = from.peer
    const {connection} = from
    const last = to.ended && to.heldLength === 0
    // Of a connection that nobody replicates, close() sends the last FIN.
    if (!to.shut && !(last && connection.flow === null)) {
      to.shut = true
      if (connection.flow !== null) this.replicator!.permitFin(from)
      shutdownWrite(to.fd)
      connection.lastActivity = this.loop.now
      if (connection.flow === null || !from.shut) return
    }

    if (last && (connection.flow === null || from.shut)) this.ends.finished(connection)
  }
}
