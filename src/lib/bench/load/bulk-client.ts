import {EAGAIN, errnoName} from '../../kernel/errno.js'
import {allocate, errno, sys} from '../../kernel/libc.js'
import type {SocketAddress} from '../../kernel/sockaddr.js'
import {EPOLLIN, EPOLLOUT, MSG_NOSIGNAL, MSG_TRUNC} from '../../kernel/socket-constants.js'
import {shutdownWrite, startConnect, takeSocketError, tcpSocket} from '../../kernel/tcp-socket.js'
import {Pollable, type EpollLoop} from '../../relay/epoll-loop.js'
import {BulkSource} from './bulk-source.js'
import {LOAD_HEADER, UPLOAD_ANSWER, writeLoadRequest} from './request.js'
import type {Tally} from './tally.js'

const STEPS_A_TURN = 4
/** Bytes that one call drops. */
const DISCARD = 4 << 20
const memory = allocate(4096)

/** One stream of bulk, up or down, for a time. */
export class BulkClient extends Pollable {
  private connected = false
  private source: BulkSource | null = null
  private received = 0
  private readonly answer = Buffer.alloc(UPLOAD_ANSWER)
  /** Of an upload that is over, bytes. */
  private sent = 0

  /** @param endAt of the loop's clock: an upload sends until then */
  constructor(
    private readonly loop: EpollLoop,
    private readonly target: SocketAddress,
    private readonly direction: 'down' | 'up',
    private readonly ms: number,
    private readonly endAt: number,
    private readonly tally: Tally,
    private readonly ended: () => void,
  ) {
    super()
  }

  start(): void {
    const fd = tcpSocket(this.target.family)
    if (fd < 0) {
      this.fail('socket')
      return
    }

    this.loop.assign(this, fd)
    const error = startConnect(fd, this.target)
    if (error === 0) this.loop.watch(this)
    else this.fail('connect', error)
  }

  override onEvents(mask: number): void {
    if (!this.connected && (mask & EPOLLOUT) !== 0 && !this.begin()) return
    if (this.connected && (this.direction === 'down' || (mask & EPOLLIN) !== 0 || this.source)) this.onTurn()
  }

  override onTurn(): void {
    if (this.fd < 0) return
    if (this.source) this.sendOn(this.source)
    if (this.fd < 0 || this.source) return
    if (this.direction === 'down') this.discard()
    else this.readAnswer()
  }

  /** Gives up. @param reason for the report; none when it has ended already */
  giveUp(reason: string): void {
    if (this.fd >= 0) this.end(reason)
  }

  private begin(): boolean {
    const error = takeSocketError(this.fd)
    if (error !== 0) return this.fail('connect', error)
    this.connected = true
    const up = this.direction === 'up'
    writeLoadRequest(memory.bytes, up ? {kind: 'upload', value: 0} : {kind: 'download', value: this.ms})
    if (sys.send(this.fd, memory.address, LOAD_HEADER, MSG_NOSIGNAL) !== LOAD_HEADER) return this.fail('send')
    if (up) this.source = new BulkSource()
    return true
  }

  private sendOn(source: BulkSource): void {
    if (this.loop.now >= this.endAt) {
      source.close()
      this.source = null
      this.sent = source.sent
      shutdownWrite(this.fd)
      return
    }

    const more = source.send(this.fd, STEPS_A_TURN)
    if (more === true) this.loop.soon(this)
    else if (more !== false) this.fail('send', more)
  }

  private readAnswer(): void {
    const count = sys.recv(this.fd, memory.address, memory.bytes.length, 0)
    if (count < 0 && errno() === EAGAIN) return
    if (count < 0) return this.end(`recv: ${errnoName(errno())}`)
    if (count > 0 && this.received + count <= UPLOAD_ANSWER) {
      memory.bytes.copy(this.answer, this.received, 0, count)
      this.received += count
      return this.readAnswer()
    }

    if (this.received !== UPLOAD_ANSWER) return this.end(`${this.received + count} of ${UPLOAD_ANSWER} bytes came back`)
    const arrived = Number(this.answer.readBigUInt64BE(0))
    if (arrived !== this.sent) return this.end(`${arrived} of ${this.sent} bytes arrived`)
    this.tally.bytes += arrived
    this.tally.done++
    this.end(null)
  }

  private discard(): void {
    for (let i = 0; i < STEPS_A_TURN; i++) {
      const count = sys.recv(this.fd, memory.address, DISCARD, MSG_TRUNC)
      if (count < 0 && errno() === EAGAIN) return
      if (count < 0) return this.end(`recv: ${errnoName(errno())}`)
      if (count === 0) {
        if (this.received === 0) return this.end('closed without a byte')
        this.tally.done++
        return this.end(null)
      }

      this.received += count
      this.tally.bytes += count
    }

    this.loop.soon(this)
  }

  private fail(step: string, error = errno()): false {
    this.end(`${step}: ${errnoName(error)}`)
    return false
  }

  private end(failure: string | null): void {
    if (failure !== null) this.tally.fail(failure)
    this.source?.close()
    this.source = null
    const {fd} = this
    this.loop.release(this)
    if (fd >= 0) sys.close(fd)
    this.ended()
  }
}
