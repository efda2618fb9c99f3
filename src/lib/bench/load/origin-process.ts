/**
 * Entry of a process: the origin of load benches. `origin-process ADDRESS PORT` serves what request.ts says, all connections
 * at a time, until its parent ends.
 */
import {EAGAIN, systemCallError} from '../../kernel/errno.js'
import {allocate, errno, sys} from '../../kernel/libc.js'
import {socketAddress} from '../../kernel/sockaddr.js'
import {EPOLLRDHUP, MSG_NOSIGNAL, MSG_TRUNC, SOCK_CLOEXEC, SOCK_NONBLOCK} from '../../kernel/socket-constants.js'
import {listenOn} from '../../kernel/tcp-socket.js'
import {EpollLoop, Pollable} from '../../relay/epoll-loop.js'
import {BulkSource} from './bulk-source.js'
import {LOAD_HEADER, LONGEST_ECHO, UPLOAD_ANSWER, readLoadRequest, type LoadRequest} from './request.js'

const BACKLOG = 4096
/** Reads or writes of one connection before the others get their turn. */
const STEPS_A_TURN = 4
/** Bytes that one call drops. */
const DISCARD = 4 << 20
const NOTHING = Buffer.alloc(0)
const memory = allocate(LONGEST_ECHO)
/** What fetches are made of. */
const content = allocate(256 * 1024)

class Connection extends Pollable {
  private request: LoadRequest | null = null
  /** What has come of a request that has not come whole. */
  private begun: Buffer = NOTHING
  private received = 0
  private source: BulkSource | null = null
  private endAt = 0
  /** Bytes of a fetch that are still to be sent. */
  private owed = 0
  /** The peer has closed its direction: no event will say so again. */
  private hungUp = false

  constructor(
    private readonly loop: EpollLoop,
    fd: number,
  ) {
    super()
    loop.assign(this, fd)
  }

  override onEvents(mask: number): void {
    if ((mask & EPOLLRDHUP) !== 0) this.hungUp = true
    this.onTurn()
  }

  override onTurn(): void {
    if (this.fd < 0) return
    if (this.source) this.sendOn(this.source)
    else if (this.owed > 0) this.sendOwed()
    else if (this.request?.kind === 'upload') this.discard()
    else while (this.readRequest());
  }

  /** @returns true when there may be more to read */
  private readRequest(): boolean {
    const count = sys.recv(this.fd, memory.address, LONGEST_ECHO, 0)
    if (count < 0 && errno() === EAGAIN) return false
    if (count <= 0) return this.close()
    const fresh = memory.bytes.subarray(0, count)
    const bytes = this.begun.length === 0 ? fresh : Buffer.concat([this.begun, fresh])
    if (bytes.length < LOAD_HEADER) return this.await(bytes)
    this.request ??= readLoadRequest(bytes)
    const {request} = this
    if (request === null) return this.close()
    if (request.kind === 'upload') {
      this.received = bytes.length - LOAD_HEADER
      return this.discard()
    }

    if (request.kind === 'download') {
      this.endAt = this.loop.now + request.value
      this.source = new BulkSource()
      return this.sendOn(this.source)
    }

    if (request.kind === 'fetch') {
      this.owed = request.value
      return this.sendOwed()
    }

    if (bytes.length < request.value) return this.await(bytes)
    if (bytes !== fresh) bytes.copy(memory.bytes)
    this.begun = NOTHING
    // A connection has one request under way, so the socket has room for its answer.
    const sent = sys.send(this.fd, memory.address, request.value, MSG_NOSIGNAL)
    return sent === request.value && request.kind === 'echo' ? this.hungUp : this.close()
  }

  private await(bytes: Buffer): boolean {
    this.begun = Buffer.from(bytes)
    return this.hungUp
  }

  private discard(): false {
    for (let i = 0; i < STEPS_A_TURN; i++) {
      const count = sys.recv(this.fd, memory.address, DISCARD, MSG_TRUNC)
      if (count < 0 && errno() === EAGAIN) return false
      if (count < 0) return this.close()
      if (count === 0) {
        memory.bytes.writeBigUInt64BE(BigInt(this.received), 0)
        sys.send(this.fd, memory.address, UPLOAD_ANSWER, MSG_NOSIGNAL)
        return this.close()
      }

      this.received += count
    }

    this.loop.soon(this)
    return false
  }

  private sendOn(source: BulkSource): false {
    if (this.loop.now >= this.endAt) return this.close()
    const more = source.send(this.fd, STEPS_A_TURN)
    if (more === true) this.loop.soon(this)
    else if (more !== false) return this.close()
    return false
  }

  private sendOwed(): false {
    for (let i = 0; i < STEPS_A_TURN; i++) {
      const length = Math.min(this.owed, content.bytes.length)
      const sent = sys.send(this.fd, content.address, length, MSG_NOSIGNAL)
      if (sent < 0 && errno() === EAGAIN) return false
      if (sent < 0) return this.close()
      this.owed -= sent
      if (this.owed === 0) return this.close()
    }

    this.loop.soon(this)
    return false
  }

  /** What was sent still arrives: the kernel keeps it. */
  private close(): false {
    this.source?.close()
    this.source = null
    const {fd} = this
    this.loop.release(this)
    sys.close(fd)
    return false
  }
}

class Listener extends Pollable {
  constructor(
    private readonly loop: EpollLoop,
    fd: number,
  ) {
    super()
    loop.assign(this, fd)
  }

  override onEvents(): void {
    for (;;) {
      const fd = sys.accept4(this.fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC)
      if (fd >= 0) this.loop.watch(new Connection(this.loop, fd))
      else if (errno() === EAGAIN) return
      else throw systemCallError('accept4')
    }
  }
}

const [address, port] = process.argv.slice(2)
const parent = process.ppid
const loop = new EpollLoop()
const fd = listenOn(socketAddress({address, port: Number(port)}), {reusePort: false, backlog: BACKLOG})
if (fd < 0) throw systemCallError(`listen on ${address}:${port}`, -fd)
loop.watchRead(new Listener(loop, fd))
while (process.ppid === parent) loop.turn(500)
