import {randomBytes} from 'node:crypto'

import {sys, type Memory} from '../kernel/libc.js'
import type {Pipe} from '../kernel/pipe.js'
import {socketAddress, type SocketAddress} from '../kernel/sockaddr.js'
import {readTcpInfo, tcpInfo} from '../kernel/tcp-info.js'
import {startConnect, tcpSocket} from '../kernel/tcp-socket.js'
import type {EpollLoop} from '../relay/epoll-loop.js'
import {Listener, type ListenerOwner} from '../relay/listener.js'
import {PipePool} from '../relay/pipe-pool.js'
import type {RateLimitedLog} from '../relay/rate-limited-log.js'
import type {Payload} from '../replication/backup.js'
import {LinkSetup, type Established, type LinkKeys} from '../replication/link-setup.js'
import type {Member} from '../replication/ownership.js'
import {formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import {FrameType, type FrameHeader, type FrameSink} from '../wire/replication-frame.js'
import {LinkSocket, type LinkSocketOwner} from './link-socket.js'
import {Outbox} from './outbox.js'

/** From connect() or accept() to a link that is set up, ms. */
const SETUP_DEADLINE_MS = 1000

/** Pauses between dials, ms: doubled after each that failed. */
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 1000

/** Connections in set-up that the accepting side bears; the oldest goes first. Nobody but the other server has a key. */
const MAX_PENDING = 8

/** What waits to be sent, bytes, beside what the pair lets be outstanding. */
const OUTBOX_MARGIN = 67_108_864

/**
 * While spliced bytes are on their way, more are gathered until so many wait, or for so long, ms: each batch wakes the other
 * server's process once and is acknowledged once. The next acknowledgement lets them go at once.
 */
const BATCH = 1_048_576
const BATCH_MS = 5

export interface ReplicationLinkOwner extends FrameSink {
  /** As {@link LinkSocketOwner.keep}. */
  keep(header: FrameHeader): Pipe | null
  put(header: FrameHeader): void
  /** What the next HELLO says; its random is added. */
  hello(): Omit<Member, 'random'>
  /** The link is up; one before it is gone without a word. */
  linkUp(ownRandom: Buffer, remote: Member): void
  linkLost(how: 'ended' | 'reset'): void
  passed(): void
  /** As {@link LinkSocketOwner.opened} and {@link LinkSocketOwner.closing}, by SO_COOKIE. */
  opened(cookie: Buffer): void
  closing(cookie: Buffer): void
}

/** Keeps the link between the two servers: one side dials, the other listens, until there is one; and again. */
export class ReplicationLink implements LinkSocketOwner, ListenerOwner {
  readonly remote: string
  /** How often it came up. */
  timesUp = 0
  /** A frame's payload may lie in one of these; it comes back when it is sent. */
  readonly pipes = new PipePool()
  readonly #outbox: Outbox
  readonly #address: SocketAddress
  readonly #randoms = new WeakMap<LinkSocket, Buffer>()
  readonly #pending: LinkSocket[] = []
  #current: LinkSocket | null = null
  #listener: Listener | null = null
  /** Spliced bytes were sent, and nothing has been acknowledged since. */
  #bulkUnanswered = false
  #bulkSentAt = 0
  #pause = FIRST_PAUSE_MS
  #nextDial = 0

  /**
   * @param listener a listening descriptor: this side accepts; null: it dials
   * @param maxOutstanding of the pair's settings, bytes
   */
  constructor(
    private readonly loop: EpollLoop,
    private readonly log: RateLimitedLog,
    private readonly owner: ReplicationLinkOwner,
    peer: Endpoint,
    private readonly accepting: boolean,
    private keys: LinkKeys,
    maxOutstanding: number,
    private readonly versions: readonly [number, number],
  ) {
    this.#address = socketAddress(peer)
    this.remote = formatEndpoint(peer)
    this.#outbox = new Outbox(maxOutstanding + OUTBOX_MARGIN, this.pipes)
  }

  get isUp(): boolean {
    return this.#current !== null
  }

  /** ms of the loop when the other side was last heard. */
  get heardAt(): number {
    return this.#current?.heardAt ?? Number.NEGATIVE_INFINITY
  }

  /** Whether the other side's kernel has sent something within so many ms, though it may not be the next in order. */
  moved(withinMs: number): boolean {
    return this.#current !== null && readTcpInfo(this.#current.fd) && tcpInfo.lastAckReceivedMs < withinMs
  }

  /** Bytes that wait to be sent. */
  get waiting(): number {
    return this.#current === null ? 0 : this.#outbox.length
  }

  /** New links use these. */
  useKeys(keys: LinkKeys): void {
    this.keys = keys
  }

  listen(fd: number): void {
    this.#listener = new Listener(this.loop, this, this.log, fd, 0)
  }

  /** No new links from here on. */
  stop(): void {
    this.#listener?.close()
    this.#nextDial = Number.POSITIVE_INFINITY
  }

  /** Deadlines and dials; every few ms. */
  tick(): void {
    const {now} = this.loop
    for (let index = this.#pending.length - 1; index >= 0; index--) {
      const socket = this.#pending[index]
      if (now - socket.heardAt > SETUP_DEADLINE_MS) socket.close('its set-up took too long')
    }

    if (this.accepting || this.#current !== null || this.#pending.length > 0 || now < this.#nextDial) return
    this.#nextDial = now + this.#pause
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS)
    const fd = tcpSocket(this.#address.family)
    if (fd < 0) return
    if (startConnect(fd, this.#address) === 0) this.#begin(fd, true)
    else sys.close(fd)
  }

  send(header: FrameHeader, payload: Payload | null, start: number): void {
    this.#current?.send(header, payload, start)
  }

  /** Where bytes that will be sent next should lie, at {@link ReplicationLink.placeAt}; null: anywhere. */
  place(length: number): Memory | null {
    return this.#current?.place(length) ?? null
  }

  get placeAt(): number {
    return this.#outbox.placeAt
  }

  /** Sends what waits; in bulk it may wait a little longer, until more has come together. */
  flush(): void {
    const {now} = this.loop
    const outbox = this.#outbox
    if (outbox.allPiped && outbox.length < BATCH && this.#bulkUnanswered && now - this.#bulkSentAt < BATCH_MS) return
    if (outbox.piped) {
      this.#bulkUnanswered = true
      this.#bulkSentAt = now
    }

    this.#current?.flush()
  }

  /** Ends the link from this side; {@link ReplicationLinkOwner.linkLost} is not called. */
  close(how: 'end' | 'reset'): void {
    const socket = this.#current
    this.#current = null
    if (how === 'end') socket?.end()
    else socket?.close(null)
  }

  // What sockets tell.

  mayAccept(): boolean {
    return true
  }

  accepted(fd: number): void {
    if (this.#pending.length >= MAX_PENDING) this.#pending[0].close('too many connections in set-up')
    this.#begin(fd, false)
  }

  established(socket: LinkSocket, {remote}: Established): void {
    this.#forget(socket)
    const before = this.#current
    this.#current = null
    before?.close(null)
    socket.useOutbox(this.#outbox)
    this.#current = socket
    this.#pause = FIRST_PAUSE_MS
    this.timesUp++
    this.log.info('link', () => `the replication link to ${this.remote} is up`)
    this.owner.linkUp(this.#randoms.get(socket) as Buffer, remote)
  }

  frame(header: FrameHeader, payload: Buffer): void {
    if (header.type === FrameType.ACK) this.#bulkUnanswered = false
    this.owner.frame(header, payload)
  }

  keep(header: FrameHeader): Pipe | null {
    return this.owner.keep(header)
  }

  put(header: FrameHeader): void {
    this.owner.put(header)
  }

  data(header: FrameHeader, bytes: Buffer, start: number, end: number): void {
    this.owner.data(header, bytes, start, end)
  }

  passed(): void {
    this.owner.passed()
  }

  opened({cookie}: LinkSocket): void {
    this.owner.opened(cookie)
  }

  closing({cookie}: LinkSocket): void {
    this.owner.closing(cookie)
  }

  lost(socket: LinkSocket, how: 'ended' | 'reset', why: string): void {
    this.#forget(socket)
    if (socket !== this.#current) {
      this.log.info('link-setup', () => `no replication link with ${this.remote}: ${why}`)
      return
    }

    this.#current = null
    this.log.warning('link-lost', () => `the replication link to ${this.remote} is gone: ${why}`)
    this.owner.linkLost(how)
  }

  #begin(fd: number, connecting: boolean): void {
    const socket = new LinkSocket(this.loop, this, fd, connecting)
    const random = randomBytes(16)
    this.#randoms.set(socket, random)
    this.#pending.push(socket)
    const side = connecting ? 'connecting' : 'accepting'
    socket.start(
      new LinkSetup(
        this.keys,
        side,
        {...this.owner.hello(), random},
        0,
        (header, payload, start) => socket.send(header, payload, start),
        this.versions,
      ),
    )
  }

  #forget(socket: LinkSocket): void {
    const at = this.#pending.indexOf(socket)
    if (at !== -1) this.#pending.splice(at, 1)
  }
}
