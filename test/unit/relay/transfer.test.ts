import {expect} from 'chai'
import fc from 'fast-check'
import {once} from 'node:events'
import {connect, createServer, type AddressInfo, type Server, type Socket} from 'node:net'
import {setImmediate as nextTurn} from 'node:timers/promises'

import {allocate, sys, type Memory} from '../../../src/lib/kernel/libc.js'
import {Pipe, PIPE_LENGTH} from '../../../src/lib/kernel/pipe.js'
import {AF_INET, MSG_NOSIGNAL} from '../../../src/lib/kernel/socket-constants.js'
import {socketAddress} from '../../../src/lib/kernel/sockaddr.js'
import {localName} from '../../../src/lib/kernel/socket-names.js'
import {closeWithReset, listenOn, startConnect, tcpSocket} from '../../../src/lib/kernel/tcp-socket.js'
import {Connection, STATE_LINGERING, type Side} from '../../../src/lib/relay/connection.js'
import {EpollLoop} from '../../../src/lib/relay/epoll-loop.js'
import {RateLimitedLog} from '../../../src/lib/relay/rate-limited-log.js'
import {Relay} from '../../../src/lib/relay/relay.js'
import type {Replicator} from '../../../src/lib/relay/replicator.js'
import {eventually} from './harness.js'

const NOTHING = Buffer.alloc(0)

/** Connects every client to one origin at once: a relay without a handshake of its own. */
class PlainRelay extends Relay<Connection> {
  readonly spliced = new Set<'near' | 'far'>()

  constructor(
    loop: EpollLoop,
    private readonly origin: number,
  ) {
    super(loop, new RateLimitedLog(() => {}, Date.now), {idleTimeoutMs: 60_000, maxConnections: 100})
  }

  override accepted(fd: number): void {
    const connection = this.open(fd)
    const far = tcpSocket(AF_INET)
    startConnect(far, socketAddress({address: '127.0.0.1', port: this.origin}))
    this.loop.assign(connection.far, far)
    if (this.replicator !== null) connection.flow = {ready: true, farOpen: true}
    this.startRelaying(connection)
    this.loop.watch(connection.near)
    this.loop.watch(connection.far)
  }

  override sideReady(side: Side, mask: number): void {
    super.sideReady(side, mask)
    if (side.splicing) this.spliced.add(side === side.connection.near ? 'near' : 'far')
  }

  get only(): Connection {
    return this.live[0]
  }

  override adopt = () => null
  override carryOn(): void {}
  override flowReady(): void {}
  override openingBytes = () => NOTHING
  protected override openingReady(): void {}
  protected override openingDeadline(): void {}
  protected override make = () => new Connection(this)
}

/** Keeps what a backup would be sent. */
class Recorder implements Replicator {
  paused = false
  fenced = false
  takesPipes = true
  readonly placeAt = 0
  readonly streams: [Buffer[], Buffer[]] = [[], []]
  readonly ends: [boolean, boolean] = [false, false]
  readonly #look = Pipe.open()
  readonly #memory: Memory = allocate(PIPE_LENGTH)

  open = () => true
  bindFar = () => 0
  dialled = () => true
  redial(): void {}
  place = () => null
  received(from: Side, bytes: Buffer, start: number, end: number): void {
    this.#stream(from).push(Buffer.from(bytes.subarray(start, end)))
  }

  spliced(from: Side): boolean {
    if (!this.#look.copy(from.pipe!)) return false
    const length = this.#look.read(this.#memory.address)
    this.#stream(from).push(Buffer.from(this.#memory.bytes.subarray(0, length)))
    return true
  }

  ended(from: Side): void {
    this.ends[from === from.connection.near ? 0 : 1] = true
  }

  permitFin(): void {}
  abort(): void {}
  forget(): void {}
  permitUnreplicated(): void {}
  discard(): void {}
  handOver = () => false

  #stream(from: Side): Buffer[] {
    return this.streams[from === from.connection.near ? 0 : 1]
  }
}

interface Ends {
  readonly relay: PlainRelay
  readonly client: Socket
  readonly origin: Socket
}

/** Writes all of it, in pieces, then FIN. */
async function send(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    if (!socket.write(piece)) await once(socket, 'drain')
    await nextTurn()
  }

  socket.end()
}

/** Reads up to FIN, resting now and then. */
async function receive(socket: Socket, rests: boolean): Promise<Buffer> {
  const parts: Buffer[] = []
  socket.on('data', (part: Buffer) => {
    parts.push(part)
    if (!rests || parts.length % 8 !== 0) return
    socket.pause()
    setTimeout(() => socket.resume(), 3)
  })
  socket.resume()
  if (!socket.readableEnded) await once(socket, 'end')
  return Buffer.concat(parts)
}

describe('transfer between two sockets', () => {
  const loop = new EpollLoop()
  let running = true
  let server: Server

  before(async () => {
    server = createServer({allowHalfOpen: true})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const turn = (): void => {
      loop.turn(0)
      if (running) setImmediate(turn)
    }

    turn()
  })

  after(() => {
    running = false
    server.close()
  })

  async function connected(replicator: Replicator | null = null): Promise<Ends> {
    const relay = new PlainRelay(loop, (server.address() as AddressInfo).port)
    if (replicator !== null) relay.replicateBy(replicator)
    const fd = listenOn(socketAddress({address: '127.0.0.1', port: 0}), {reusePort: false, backlog: 8})
    relay.listen([fd])
    const client = connect({port: localName(fd).port, host: '127.0.0.1', allowHalfOpen: true})
    const [origin] = (await once(server, 'connection')) as [Socket]
    for (const socket of [client, origin]) socket.on('error', () => {})
    return {relay, client, origin}
  }

  // Single bytes, requests, and so much that reads come large.
  const pieces = fc.array(
    fc
      .oneof(
        {weight: 4, arbitrary: fc.integer({min: 1, max: 2000})},
        {weight: 2, arbitrary: fc.integer({min: 2001, max: 70_000})},
        {weight: 2, arbitrary: fc.integer({min: 300_000, max: 3_000_000})},
      )
      .map((length) => Buffer.alloc(length, length.toString(16))),
    {maxLength: 12},
  )

  for (const replicated of [false, true]) {
    it(`passes any mix of small and large on, both ways and to both ends${replicated ? ', and to a backup' : ''}`, async () => {
      const spliced = new Set<string>()
      await fc.assert(
        fc.asyncProperty(pieces, pieces, fc.boolean(), fc.boolean(), async (up, down, upRests, downRests) => {
          const recorder = replicated ? new Recorder() : null
          const {relay, client, origin} = await connected(recorder)
          const [received, answered] = await Promise.all([
            receive(origin, upRests),
            receive(client, downRests),
            send(client, up),
            send(origin, down),
          ])
          expect(received.equals(Buffer.concat(up))).to.equal(true)
          expect(answered.equals(Buffer.concat(down))).to.equal(true)
          for (const way of relay.spliced) spliced.add(way)
          if (recorder === null) {
            await eventually('closed', () => relay.liveCount === 0)
            expect(relay.counters).to.include({
              completed: 1,
              reset: 0,
              nearBytes: received.length,
              farBytes: answered.length,
            })
            return
          }

          await eventually('both ends said all', () => relay.only.state === STATE_LINGERING)
          expect(Buffer.concat(recorder.streams[0]).equals(received)).to.equal(true)
          expect(Buffer.concat(recorder.streams[1]).equals(answered)).to.equal(true)
          expect(recorder.ends).to.deep.equal([true, true])
          relay.flowClosed(relay.only)
        }),
        {numRuns: 25, examples: [[[Buffer.alloc(8_000_000, 1)], [Buffer.alloc(8_000_000, 2)], true, true]]},
      )
      expect([...spliced].sort()).to.deep.equal(['far', 'near'])
    })
  }

  it('copies while its replicator takes no pipes', async () => {
    const recorder = new Recorder()
    recorder.takesPipes = false
    const {relay, client, origin} = await connected(recorder)
    const bytes = Buffer.alloc(3_000_000, 7)
    const [received] = await Promise.all([receive(origin, false), send(client, [bytes])])
    expect(received.equals(bytes)).to.equal(true)
    expect(Buffer.concat(recorder.streams[0]).equals(bytes)).to.equal(true)
    relay.abortAll()
    await eventually('reset', () => client.destroyed)
  })

  it('holds a spliced sender back while the reader sleeps, and loses nothing of it', async () => {
    const {relay, client, origin} = await connected()
    const bytes = Buffer.alloc(64_000_000, 'overlay')
    origin.pause()
    const sent = send(client, [bytes])
    let before = -1
    await eventually('at rest', () => {
      const {received} = relay.only.near
      const still = received === before && received > 0
      before = received
      return still
    })
    // What the sockets of both legs hold, and one pipe: far from all.
    expect(relay.only.near.received).to.be.lessThan(32_000_000)
    const {pipe, waiting} = relay.only.near
    expect(pipe?.length ?? 0).to.equal(waiting)
    const received = await receive(origin, false)
    await sent
    expect(received.equals(bytes)).to.equal(true)
    origin.end()
    client.resume()
    await eventually('closed', () => relay.liveCount === 0)
    expect(relay.counters.completed).to.equal(1)
  })

  it('passes an RST of the origin on in the middle of spliced bytes, and closes what held them', async () => {
    const {relay, client, origin} = await connected()
    let failed: NodeJS.ErrnoException | null = null
    client.on('error', (error) => {
      failed = error
    })
    origin.pause()
    client.write(Buffer.alloc(16_000_000))
    await eventually('bytes wait in a pipe', () => relay.only.near.pipe !== null)
    origin.resetAndDestroy()
    await eventually('reset', () => relay.liveCount === 0 && client.destroyed)
    expect(failed).to.have.property('code').that.is.oneOf(['ECONNRESET', 'EPIPE'])
    expect(relay.counters).to.include({completed: 0, reset: 1})
  })

  it('passes an RST of the client on in the middle of spliced bytes, and closes what held them', async () => {
    const relay = new PlainRelay(loop, (server.address() as AddressInfo).port)
    const fd = listenOn(socketAddress({address: '127.0.0.1', port: 0}), {reusePort: false, backlog: 8})
    relay.listen([fd])
    // Node's own reset waits until everything is written.
    const client = tcpSocket(AF_INET)
    startConnect(client, socketAddress({address: '127.0.0.1', port: localName(fd).port}))
    const [origin] = (await once(server, 'connection')) as [Socket]
    let failed: NodeJS.ErrnoException | null = null
    origin.on('error', (error) => {
      failed = error
    })
    origin.pause()
    const {address, bytes} = allocate(65_536)
    await eventually('bytes wait in a pipe', () => {
      while (sys.send(client, address, bytes.length, MSG_NOSIGNAL) > 0);
      return relay.only.near.pipe !== null
    })
    closeWithReset(client)
    await eventually('reset', () => relay.liveCount === 0)
    // Node does not say that a paused socket was reset before somebody writes to it.
    origin.resume()
    origin.write('any')
    await eventually('reset', () => origin.destroyed)
    expect(failed).to.have.property('code').that.is.oneOf(['ECONNRESET', 'EPIPE'])
    expect(relay.counters).to.include({completed: 0, reset: 1})
  })

  it('takes no connection while its replicator is fenced, and takes it when that ends', async () => {
    const recorder = new Recorder()
    recorder.fenced = true
    const relay = new PlainRelay(loop, (server.address() as AddressInfo).port)
    relay.replicateBy(recorder)
    const fd = listenOn(socketAddress({address: '127.0.0.1', port: 0}), {reusePort: false, backlog: 8})
    relay.listen([fd])
    const client = connect({port: localName(fd).port, host: '127.0.0.1'})
    client.on('error', () => {})
    client.write('hello')
    await once(client, 'connect')
    for (let turn = 0; turn < 50; turn++) await nextTurn()
    expect(relay.liveCount).to.equal(0)
    const accepted = once(server, 'connection')
    recorder.fenced = false
    relay.resumeAccepting()
    const [origin] = (await accepted) as [Socket]
    origin.on('error', () => {})
    const [bytes] = (await once(origin, 'data')) as [Buffer]
    expect(bytes.toString()).to.equal('hello')
    relay.abortAll()
  })
})
