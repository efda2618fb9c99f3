import {EAGAIN, errnoName} from '../../kernel/errno.js'
import {allocate, errno, sys} from '../../kernel/libc.js'
import type {SocketAddress} from '../../kernel/sockaddr.js'
import {EPOLLOUT, MSG_NOSIGNAL, MSG_TRUNC} from '../../kernel/socket-constants.js'
import {shutdownWrite, startConnect, takeSocketError, tcpSocket} from '../../kernel/tcp-socket.js'
import {Pollable, type EpollLoop} from '../../relay/epoll-loop.js'
import {LOAD_HEADER, UPLOAD_ANSWER, writeLoadRequest} from './request.js'

/** Bytes that one call drops. */
const DISCARD = 4 << 20
const content = allocate(256 * 1024)
const request = allocate(LOAD_HEADER)
const answer = allocate(UPLOAD_ANSWER + 1)

/** One connection that carries so many bytes up or down, and the times that it took. Times are ms since connect(). */
export class TransferClient extends Pollable {
  readonly startedAt = performance.now()
  /** Of a transfer down. */
  firstByteMs: number | null = null
  /** Null while it lasts. */
  endedMs: number | null = null
  failure: string | null = null
  private connected = false
  /** Of the payload: down those that came, up those that the kernel took and then those that the origin counted. */
  moved = 0
  private answered = 0

  /** @param bytes 1 to LONGEST_TRANSFER */
  constructor(
    private readonly loop: EpollLoop,
    private readonly target: SocketAddress,
    private readonly direction: 'down' | 'up',
    private readonly bytes: number,
  ) {
    super()
  }

  start(): void {
    const fd = tcpSocket(this.target.family)
    if (fd < 0) return this.fail('socket')
    this.loop.assign(this, fd)
    const error = startConnect(fd, this.target)
    if (error === 0) this.loop.watch(this)
    else this.fail('connect', error)
  }

  override onEvents(mask: number): void {
    if (!this.connected) {
      if ((mask & EPOLLOUT) === 0) return
      const error = takeSocketError(this.fd)
      if (error !== 0) return this.fail('connect', error)
      this.connected = true
      if (!this.ask()) return
    }

    if (this.direction === 'down') this.receive()
    else if (this.moved < this.bytes) this.send()
    else this.readCount()
  }

  /** Gives up. @param reason for the report; none when it has ended already */
  giveUp(reason: string): void {
    if (this.endedMs === null) this.end(reason)
  }

  private ask(): boolean {
    const {direction, bytes} = this
    writeLoadRequest(request.bytes, direction === 'up' ? {kind: 'upload', value: 0} : {kind: 'fetch', value: bytes})
    if (sys.send(this.fd, request.address, LOAD_HEADER, MSG_NOSIGNAL) === LOAD_HEADER) return true
    this.fail('send')
    return false
  }

  private send(): void {
    while (this.moved < this.bytes) {
      const length = Math.min(this.bytes - this.moved, content.bytes.length)
      const sent = sys.send(this.fd, content.address, length, MSG_NOSIGNAL)
      if (sent < 0 && errno() === EAGAIN) return
      if (sent < 0) return this.fail('send')
      this.moved += sent
    }

    shutdownWrite(this.fd)
  }

  private readCount(): void {
    for (;;) {
      const count = sys.recv(this.fd, answer.address + this.answered, UPLOAD_ANSWER + 1 - this.answered, 0)
      if (count < 0 && errno() === EAGAIN) return
      if (count < 0) return this.fail('recv')
      this.answered += count
      if (this.answered === UPLOAD_ANSWER) break
      if (count === 0 || this.answered > UPLOAD_ANSWER)
        return this.end(`${this.answered} of ${UPLOAD_ANSWER} bytes came back`)
    }

    this.moved = Number(answer.bytes.readBigUInt64BE(0))
    this.end(this.moved === this.bytes ? null : `${this.moved} of ${this.bytes} bytes arrived`)
  }

  private receive(): void {
    for (;;) {
      const count = sys.recv(this.fd, content.address, DISCARD, MSG_TRUNC)
      if (count < 0 && errno() === EAGAIN) return
      if (count < 0) return this.fail('recv')
      this.firstByteMs ??= this.elapsed()
      this.moved += count
      // Not until the end of the stream: its FIN may come in a packet of its own.
      if (this.moved === this.bytes) return this.end(null)
      if (count === 0 || this.moved > this.bytes) return this.end(`${this.moved} of ${this.bytes} bytes came`)
    }
  }

  private elapsed(): number {
    return performance.now() - this.startedAt
  }

  private fail(step: string, error = errno()): void {
    this.end(`${step}: ${errnoName(error)}`)
  }

  private end(failure: string | null): void {
    this.endedMs = this.elapsed()
    this.failure = failure
    const {fd} = this
    this.loop.release(this)
    if (fd >= 0) sys.close(fd)
  }
}
