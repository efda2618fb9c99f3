import {EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, errnoName} from '../kernel/errno.js'
import {allocate, errno, sys} from '../kernel/libc.js'
import {SHUT_RDWR, SOCK_CLOEXEC, SOCK_NONBLOCK} from '../kernel/socket-constants.js'
import {SOCKADDR_LENGTH} from '../kernel/sockaddr.js'
import {Pollable, type EpollLoop} from './epoll-loop.js'
import type {RateLimitedLog} from './rate-limited-log.js'
import {Timer} from './timer-wheel.js'

/** Connections accepted in one turn, before those that are open get theirs. */
const ACCEPTS_A_TURN = 64

/** How long accepting rests when the kernel has no descriptor or memory left, in ms. */
const EXHAUSTED_PAUSE_MS = 50

export interface ListenerOwner {
  /** False while the relay is full; it calls {@link Listener.resume} when it no longer is. */
  mayAccept(): boolean
  /** @param peer the struct sockaddr of who connected; good during the call */
  accepted(fd: number, listener: Listener, peer: Buffer): void
}

/** A listening socket: accepts until there is nothing more, rests when the relay or the kernel is full. */
export class Listener extends Pollable {
  private readonly peer = allocate(SOCKADDR_LENGTH)
  private readonly peerLength = allocate(4)
  private readonly retry: Timer
  /** Connections may wait in the kernel's queue. */
  private waiting = false

  /** @param index which of the configuration's listeners it is; a reload may change it */
  constructor(
    private readonly loop: EpollLoop,
    private readonly owner: ListenerOwner,
    private readonly log: RateLimitedLog,
    fd: number,
    public index: number,
  ) {
    super()
    this.retry = new Timer(() => this.resume())
    loop.assign(this, fd)
    loop.watchRead(this)
  }

  override onEvents(): void {
    this.waiting = true
    // Connections that are open are served first: they are closer to done.
    this.loop.soon(this)
  }

  override onTurn(): void {
    if (this.fd >= 0 && this.waiting) this.accept(ACCEPTS_A_TURN)
  }

  resume(): void {
    if (this.waiting && this.fd >= 0) this.loop.soon(this)
  }

  /** Takes in what has already connected, then listens no more. */
  close(): void {
    if (this.fd < 0) return
    this.accept(Number.POSITIVE_INFINITY)
    this.loop.timers.cancel(this.retry)
    const {fd} = this
    this.loop.release(this)
    // The supervisor holds the same socket: shutdown ends it for both.
    sys.shutdown(fd, SHUT_RDWR)
    sys.close(fd)
  }

  private accept(limit: number): void {
    for (let i = 0; i < limit; i++) {
      if (!this.owner.mayAccept()) return
      this.peerLength.bytes.writeUInt32LE(SOCKADDR_LENGTH, 0)
      const fd = sys.accept4(this.fd, this.peer.address, this.peerLength.address, SOCK_NONBLOCK | SOCK_CLOEXEC)
      if (fd >= 0) {
        this.owner.accepted(fd, this, this.peer.bytes)
        continue
      }

      const error = errno()
      if (error === EAGAIN) {
        this.waiting = false
        return
      }

      if (error === EMFILE || error === ENFILE || error === ENOBUFS || error === ENOMEM) {
        this.log.error('accept-exhausted', () => `accept: ${errnoName(error)}; new connections wait`)
        this.loop.timers.arm(this.retry, this.loop.now + EXHAUSTED_PAUSE_MS)
        return
      }
      // ECONNABORTED and network errors of the new connection (accept(2)): try the next.
    }

    this.loop.soon(this)
  }
}
