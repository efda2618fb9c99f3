import {EAGAIN, errnoName} from '../../kernel/errno.js'
import {allocate, errno, sys} from '../../kernel/libc.js'
import type {SocketAddress} from '../../kernel/sockaddr.js'
import {EPOLLIN, EPOLLOUT, EPOLLRDHUP, MSG_NOSIGNAL} from '../../kernel/socket-constants.js'
import {closeWithReset, startConnect, takeSocketError, tcpSocket} from '../../kernel/tcp-socket.js'
import {Pollable, type EpollLoop} from '../../relay/epoll-loop.js'
import {LOAD_HEADER, LONGEST_ECHO, writeLoadRequest} from './request.js'

const request = allocate(LONGEST_ECHO)
const response = allocate(LONGEST_ECHO + 1)
/** Bytes of the number in each request that its answer must bring back, after the header. */
const NUMBER = 4
export const SHORTEST_EXCHANGE = LOAD_HEADER + NUMBER

export interface Exchanges {
  target: SocketAddress
  /** Of a request and of its answer. */
  bytes: number
  /** A connection for each exchange, which the origin closes; otherwise one is kept. */
  fresh: boolean
  /** @param failure null when the answer came whole */
  finished(client: ExchangeClient, failure: string | null): void
}

/** One connection of a client that asks and waits for the answer. */
export class ExchangeClient extends Pollable {
  /** When the last request was sent, ms of performance.now(). */
  askedAt = 0
  private connected = false
  private asking = false
  private received = 0
  private number = 0
  private static numbers = 0

  constructor(
    private readonly loop: EpollLoop,
    private readonly exchanges: Exchanges,
  ) {
    super()
  }

  /** Connects and asks. */
  open(): void {
    const {target} = this.exchanges
    this.connected = false
    this.asking = true
    const fd = tcpSocket(target.family)
    if (fd < 0) return this.fail('socket')
    this.loop.assign(this, fd)
    const error = startConnect(fd, target)
    if (error === 0) this.loop.watch(this)
    else this.fail('connect', error)
  }

  /** Asks once more on a connection that is kept. */
  ask(): void {
    const {bytes, fresh} = this.exchanges
    this.asking = true
    this.received = 0
    this.number = ++ExchangeClient.numbers >>> 0
    writeLoadRequest(request.bytes, {kind: fresh ? 'echo-once' : 'echo', value: bytes})
    request.bytes.writeUInt32BE(this.number, LOAD_HEADER)
    this.askedAt = performance.now()
    if (sys.send(this.fd, request.address, bytes, MSG_NOSIGNAL) !== bytes) this.fail('send')
  }

  override onEvents(mask: number): void {
    if (!this.connected) {
      if ((mask & EPOLLOUT) === 0) return
      const error = takeSocketError(this.fd)
      if (error !== 0) return this.fail('connect', error)
      this.connected = true
      this.ask()
      return
    }

    if ((mask & (EPOLLIN | EPOLLRDHUP)) !== 0) this.read((mask & EPOLLRDHUP) !== 0)
  }

  /** For {@link EpollLoop.soon}: a new connection. */
  override onTurn(): void {
    this.open()
  }

  /** Ends it without a report. */
  close(): void {
    const {fd} = this
    if (fd < 0) return
    this.loop.release(this)
    // With an RST, so that nothing of a load that is over lingers.
    closeWithReset(fd)
  }

  private read(hungUp: boolean): void {
    const {bytes, fresh} = this.exchanges
    for (;;) {
      const count = sys.recv(this.fd, response.address, LONGEST_ECHO + 1, 0)
      if (count < 0 && errno() === EAGAIN) return
      if (count < 0) return this.fail('recv')
      if (count === 0) {
        return this.over(fresh && this.received === bytes ? null : `${this.received} of ${bytes} bytes came back`)
      }

      if (
        this.received === 0 &&
        count >= SHORTEST_EXCHANGE &&
        response.bytes.readUInt32BE(LOAD_HEADER) !== this.number
      ) {
        return this.over('another answer came back')
      }

      this.received += count
      if (this.received > bytes) return this.over('more came back than was sent')
      if (this.received === bytes && !fresh) {
        this.asking = false
        this.exchanges.finished(this, null)
        if (!hungUp) return
      } else if (!hungUp) {
        return
      }
    }
  }

  private fail(step: string, error = errno()): void {
    this.over(`${step}: ${errnoName(error)}`)
  }

  private over(failure: string | null): void {
    const {fd} = this
    this.loop.release(this)
    if (fd >= 0) sys.close(fd)
    if (this.asking) this.exchanges.finished(this, failure)
  }
}
