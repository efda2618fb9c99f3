import {EAGAIN, ECONNRESET, EINPROGRESS, EPIPE} from '../kernel/errno.js'
import {allocate, errno, sys, type Memory} from '../kernel/libc.js'
import type {Pipe} from '../kernel/pipe.js'
import {EPOLLOUT, MSG_PEEK} from '../kernel/socket-constants.js'
import {closeSilently} from '../kernel/tcp-repair.js'
import {acknowledgeNow, setRtoMin, socketCookie, takeSocketError} from '../kernel/tcp-socket.js'
import {READABLE} from '../relay/connection.js'
import {Pollable, type EpollLoop} from '../relay/epoll-loop.js'
import type {Payload} from '../replication/backup.js'
import type {Established, LinkSetup} from '../replication/link-setup.js'
import {
  FRAME_HEADER_LENGTH,
  FrameParser,
  ReplicationProtocolError,
  type FrameHeader,
  type FrameSink,
} from '../wire/replication-frame.js'
import {Outbox} from './outbox.js'

const READ_LENGTH = 262_144
/** Reads in a row before others get their turn. */
const READS_A_TURN = 8

/** Frames of so many bytes are bulk: each is read by itself, to where it is to be kept. */
const BULK_LENGTH = 16_384

/**
 * The kernel's 200 ms would be doubled to more than a backup waits by one lost retransmission. More than the 40 ms that the
 * other side may delay an acknowledgement.
 */
const RTO_MIN_US = 50_000

/** Frames of a set-up are few and small. */
const SETUP_OUTBOX = 65_536

const input = allocate(READ_LENGTH)

export interface LinkSocketOwner extends FrameSink {
  /** What the rest of a DATA frame is to be spliced into, so that it need not be copied; null: it is read. */
  keep(header: FrameHeader): Pipe | null
  put(header: FrameHeader): void
  /** The other side has proved that it holds the key. */
  established(socket: LinkSocket, established: Established): void
  /** From here on the socket's end is the end of this process, unless {@link LinkSocketOwner.closing} came before. */
  opened(socket: LinkSocket): void
  /** This process ends it: what its kernel still says of it is not the death of a process. */
  closing(socket: LinkSocket): void
  /** What was read in one go has been passed on. */
  passed(): void
  /**
   * The socket is closed. `ended`: by the other side's kernel, with FIN or RST: its process is dead, or has left; who is
   * alive closes without a word. `reset`: any other way.
   */
  lost(socket: LinkSocket, how: 'ended' | 'reset', why: string): void
}

/** One TCP connection between the two servers, from connect() or accept() on. */
export class LinkSocket extends Pollable {
  readonly parser: FrameParser
  readonly cookie: Buffer
  setup!: LinkSetup
  /** ms of the loop when something was heard last, or when it began. */
  heardAt: number
  up = false
  writable = false
  #readable = false
  #connecting: boolean
  #outbox: Outbox = new Outbox(SETUP_OUTBOX, null)

  /** @param connecting connect() was called; else it was accepted */
  constructor(
    private readonly loop: EpollLoop,
    private readonly owner: LinkSocketOwner,
    fd: number,
    connecting: boolean,
  ) {
    super()
    this.heardAt = loop.now
    this.cookie = socketCookie(fd)
    this.#connecting = connecting
    this.parser = new FrameParser({
      frame: (header, payload) => this.#frame(header, payload),
      data: (header, bytes, start, end) => owner.data(header, bytes, start, end),
      put: (header) => owner.put(header),
    })
    // Before Linux 6.15 it stays as it is (docs/LIMITS.md).
    setRtoMin(fd, RTO_MIN_US)
    loop.assign(this, fd)
  }

  /** Begins with the set-up given; events come from here on. */
  start(setup: LinkSetup): void {
    this.setup = setup
    this.owner.opened(this)
    if (!this.#connecting) this.#begin()
    if (this.fd >= 0) this.loop.watch(this)
  }

  /** From here on frames wait in the pair's outbox. */
  useOutbox(outbox: Outbox): void {
    outbox.clear()
    this.#outbox = outbox
  }

  send(header: FrameHeader, payload: Payload | null, start: number): void {
    if (this.fd < 0) return
    if (this.#outbox.append(header, payload, start)) {
      if (!this.up) this.flush()
    } else {
      this.close('the other server takes nothing')
    }
  }

  /** See {@link Outbox.place}; null while the link is being set up, too. */
  place(length: number): Memory | null {
    return this.up ? this.#outbox.place(length) : null
  }

  flush(): void {
    if (this.fd < 0 || !this.writable || this.#outbox.length === 0) return
    if (this.#outbox.flush(this.fd) === 0) return
    if (errno() === EAGAIN) this.writable = false
    else this.#failed(errno())
  }

  /**
   * Without a packet: the other side must not take it for our death.
   *
   * @param why for the log; null when the owner knows
   */
  close(why: string | null): void {
    if (this.fd < 0) return
    this.#closeSilently()
    if (why !== null) this.owner.lost(this, 'reset', why)
  }

  /** In order, after what is still to be sent: we hold nothing any more. */
  end(): void {
    if (this.fd < 0) return
    this.flush()
    this.owner.closing(this)
    const {fd} = this
    this.loop.release(this)
    sys.close(fd)
  }

  override onEvents(mask: number): void {
    if (mask & EPOLLOUT) this.writable = true
    if (this.#connecting) {
      const error = takeSocketError(this.fd)
      if (error === EINPROGRESS) return
      if (error !== 0) {
        this.#failed(error)
        return
      }

      if ((mask & EPOLLOUT) === 0) return
      this.#connecting = false
      this.#begin()
    }

    if (this.fd >= 0 && mask & EPOLLOUT) this.flush()
    if (mask & READABLE) this.#readable = true
    if (this.#readable) this.onTurn()
  }

  override onTurn(): void {
    for (let reads = 0; this.fd >= 0 && this.#readable; reads++) {
      if (reads === READS_A_TURN) {
        this.loop.soon(this)
        break
      }

      this.#read()
    }

    this.owner.passed()
  }

  #begin(): void {
    this.writable = true
    this.setup.begin()
  }

  #read(): void {
    const {coming, dataLength} = this.parser
    // Bulk is read frame by frame: what comes with other bytes can no longer be kept where it came.
    const bulk = dataLength >= BULK_LENGTH
    const pipe = coming !== null && bulk ? this.owner.keep(coming) : null
    if (pipe !== null) {
      this.#splice(pipe, coming!.length)
      return
    }

    const asked = bulk ? Math.min(READ_LENGTH, coming?.length ?? FRAME_HEADER_LENGTH) : READ_LENGTH
    const length = sys.recv(this.fd, input.address, asked, 0)
    if (length > 0) this.#parse(length, false)
    else this.#readNothing(length)
  }

  #splice(pipe: Pipe, most: number): void {
    const length = pipe.fill(this.fd, most)
    if (length > 0) {
      this.#parse(length, true)
      return
    }

    if (length === 0 || errno() !== EAGAIN || pipe.length === 0) {
      this.#readNothing(length)
      return
    }

    // A full pipe looks like an empty socket.
    const left = sys.recv(this.fd, input.address, 1, MSG_PEEK)
    if (left > 0) pipe.full = true
    else this.#readNothing(left)
  }

  /** @param kept they are in the pipe that was asked for, else in the input buffer */
  #parse(length: number, kept: boolean): void {
    this.heardAt = this.loop.now
    try {
      if (kept) this.parser.put(length)
      else this.parser.push(input.bytes, 0, length)
    } catch (error) {
      if (!(error instanceof ReplicationProtocolError)) throw error
      this.close(error.message)
    }
  }

  /** @param length what a read returned: none, or −1 with errno set */
  #readNothing(length: number): void {
    if (length === 0) {
      // Its kernel would repeat the FIN for a minute.
      acknowledgeNow(this.fd)
      this.#dead('ended', 'the other server has closed it')
    } else if (errno() === EAGAIN) this.#readable = false
    else this.#failed(errno())
  }

  #frame(header: FrameHeader, payload: Buffer): void {
    if (this.up) {
      this.owner.frame(header, payload)
      return
    }

    this.setup.frame(header, payload)
    if (this.setup.refused !== null) throw new ReplicationProtocolError(`refused, reason ${this.setup.refused}`)
    if (this.setup.established === null) return
    this.parser.setup = false
    this.up = true
    this.owner.established(this, this.setup.established)
  }

  #failed(error: number): void {
    if (error === ECONNRESET || error === EPIPE) this.#dead('ended', 'the other server has reset it')
    else this.#dead('reset', `errno ${error}`)
  }

  /** Without a FIN: nobody is left to acknowledge it, and each repetition of it would fence this host. */
  #dead(how: 'ended' | 'reset', why: string): void {
    if (this.fd < 0) return
    this.#closeSilently()
    this.owner.lost(this, how, why)
  }

  #closeSilently(): void {
    this.owner.closing(this)
    const {fd} = this
    this.loop.release(this)
    try {
      closeSilently(fd)
    } catch {
      // Without CAP_NET_ADMIN, or not connected yet: it has nobody to tell.
      sys.close(fd)
    }
  }
}
