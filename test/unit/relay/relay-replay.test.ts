import {expect} from 'chai'
import fc from 'fast-check'
import {randomBytes} from 'node:crypto'

import {addressBytes, parseEndpoint} from '../../../src/lib/wire/endpoint.js'
import {PreambleFields, preambleLength, writePreamble, PreambleKey} from '../../../src/lib/wire/preamble.js'
import {
  REFUSALS,
  REPLY_LENGTH,
  ReplyStatus,
  copyChallenge,
  readReply,
  replyReason,
} from '../../../src/lib/wire/reply.js'
import {
  LONG,
  Overlay,
  eventually,
  freeAddress,
  gatewayTrafficOf,
  pause,
  preambleKey,
  residentOf,
  type Client,
} from './harness.js'

/** Preambles with a wrong byte or cut short. */
const MALFORMED = LONG ? 100_000 : 400

/** An edge made by hand, so that its bytes can be kept and played again. */
class HandMadeEdge {
  readonly fields = new PreambleFields()
  readonly mac = Buffer.alloc(32)

  constructor(
    private readonly overlay: Overlay,
    gateway: string,
    origin: string,
    private readonly key: PreambleKey = preambleKey(1),
  ) {
    const audience = parseEndpoint(gateway, 'test')
    const destination = parseEndpoint(origin, 'test')
    this.fields.instance = randomBytes(8)
    this.fields.source = addressBytes('192.0.2.7')
    this.fields.sourcePort = 4711
    this.fields.destination = addressBytes(destination.address)
    this.fields.destinationPort = destination.port
    this.fields.audience = addressBytes(audience.address)
    this.fields.audiencePort = audience.port
    this.fields.timestamp = Date.now()
  }

  preamble(): Buffer {
    const bytes = Buffer.alloc(preambleLength(this.fields))
    writePreamble(bytes, 0, this.fields, this.key, this.mac)
    return bytes
  }

  /** Plays bytes to a gateway and waits for its reply or end. */
  async play(gateway: string, bytes: Buffer): Promise<Client> {
    const client = this.overlay.client(gateway)
    client.socket.write(bytes)
    await client.until(REPLY_LENGTH)
    return client
  }

  /** `accepted`, `challenge`, the reason of a refusal, or `nothing`. */
  read(client: Client): string {
    if (client.received.length < REPLY_LENGTH) return 'nothing'
    const status = readReply(client.received, 0, this.key, this.mac)
    if (status === ReplyStatus.Challenge) {
      const challenge = Buffer.alloc(16)
      copyChallenge(client.received, 0, challenge)
      this.fields.challenge = challenge
      return 'challenge'
    }

    return status === ReplyStatus.Accepted ? 'accepted' : REFUSALS[replyReason(client.received, 0)]
  }
}

describe('a preamble opens one connection', () => {
  let overlay: Overlay
  let origin: string
  let opened = 0
  let [first, second] = ['', '']

  before(async () => {
    overlay = new Overlay()
    origin = await overlay.origin((socket) => {
      opened++
      socket.pipe(socket)
    })
    first = freeAddress()
    second = freeAddress()
    await overlay.gateway('g1', first, {processes: 2})
    await overlay.gateway('g2', second)
  })

  after(() => overlay.close())

  beforeEach(() => {
    opened = 0
  })

  it('challenges an instance that it does not know, accepts the answer, and refuses both when played again', async () => {
    const edge = new HandMadeEdge(overlay, first, origin)
    const unanswered = Buffer.concat([edge.preamble(), Buffer.from('x')])
    expect(edge.read(await edge.play(first, unanswered))).to.equal('challenge')
    expect(opened).to.equal(0)
    const answered = Buffer.concat([edge.preamble(), Buffer.from('x')])
    const client = await edge.play(first, answered)
    expect(edge.read(client)).to.equal('accepted')
    expect(await client.until(REPLY_LENGTH + 1)).to.match(/x$/)
    expect(opened).to.equal(1)
    // Several times, so that both processes of the gateway are asked.
    for (let i = 0; i < 8; i++) {
      expect(edge.read(await edge.play(first, answered))).to.equal('duplicate')
    }

    edge.fields.challenge = null
    edge.preamble()
    for (let i = 0; i < 8; i++) {
      expect(edge.read(await edge.play(first, unanswered))).to.equal('duplicate')
    }

    await pause(50)
    expect(opened).to.equal(1)
  })

  it('is refused by another gateway', async () => {
    const edge = new HandMadeEdge(overlay, first, origin)
    expect(edge.read(await edge.play(second, edge.preamble()))).to.equal('wrong-audience')
    expect(opened).to.equal(0)
  })

  it('opens nothing with the challenge of another instance', async () => {
    const one = new HandMadeEdge(overlay, first, origin)
    one.read(await one.play(first, one.preamble()))
    const other = new HandMadeEdge(overlay, first, origin)
    other.fields.challenge = one.fields.challenge
    expect(other.read(await other.play(first, other.preamble()))).to.equal('challenge')
    expect(opened).to.equal(0)
  })

  it('gets no reply under a key that the gateway does not know', async () => {
    const stranger = new HandMadeEdge(overlay, first, origin, preambleKey(9))
    expect(stranger.read(await stranger.play(first, stranger.preamble()))).to.equal('nothing')
    const liar = new HandMadeEdge(overlay, first, origin, new PreambleKey(1, Buffer.alloc(32, 9)))
    expect(liar.read(await liar.play(first, liar.preamble()))).to.equal('nothing')
    expect(opened).to.equal(0)
  })

  it('does not care about the edge clock', async () => {
    for (const offset of [-600_000, -60_000, 60_000, 600_000]) {
      const edge = new HandMadeEdge(overlay, first, origin)
      edge.fields.timestamp = Date.now() + offset
      edge.read(await edge.play(first, edge.preamble()))
      const client = await edge.play(first, Buffer.concat([edge.preamble(), Buffer.from('x')]))
      expect(edge.read(client)).to.equal('accepted')
      client.socket.destroy()
    }
  })

  it('remembers over the death of its processes', async () => {
    const listen = freeAddress()
    const gateway = await overlay.gateway('g3', listen)
    const edge = new HandMadeEdge(overlay, listen, origin)
    edge.read(await edge.play(listen, edge.preamble()))
    const answered = Buffer.concat([edge.preamble(), Buffer.from('x')])
    expect(edge.read(await edge.play(listen, answered))).to.equal('accepted')
    process.kill(gateway.pids[0], 'SIGKILL')
    await eventually('another process runs', async () => (await gateway.status()).restarts === 1)
    expect(edge.read(await edge.play(listen, answered))).to.equal('duplicate')
    expect(opened).to.equal(1)
  })

  it('takes a preamble that comes a byte at a time, with the client bytes after it', async () => {
    const edge = new HandMadeEdge(overlay, first, origin)
    edge.read(await edge.play(first, edge.preamble()))
    const bytes = Buffer.concat([edge.preamble(), Buffer.from('tail')])
    const client = overlay.client(first)
    client.socket.setNoDelay(true)
    for (const byte of bytes) {
      client.socket.write(Buffer.from([byte]))
      await pause(0)
    }

    expect(await client.until(REPLY_LENGTH + 4)).to.match(/tail$/)
    client.socket.destroy()
  })

  it('takes malformed ones without harm to honest clients', async () => {
    const listen = freeAddress()
    const middle = freeAddress()
    const gateway = await overlay.gateway('g4', middle)
    const edge = await overlay.edge('e', {listen, origin, gateway: [middle]})
    const run = {stopped: false, honest: 0}
    const honest = async (): Promise<void> => {
      while (!run.stopped) {
        const client = overlay.client(listen)
        client.socket.write('ping')
        expect(await client.until(4)).to.equal('ping')
        client.socket.end()
        await client.closed
        run.honest++
      }
    }

    const load = honest()
    const good = new HandMadeEdge(overlay, middle, origin).preamble()
    const before = residentOf(gateway.pids[0])
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.integer({min: 1, max: 255}),
        fc.nat(good.length),
        async (at, flip, cut) => {
          const bad = Buffer.from(good)
          bad[at] ^= flip
          const client = overlay.client(middle)
          client.socket.end(bad.subarray(0, Math.max(1, cut)))
          await client.untilEnd()
          await client.closed
          // Nobody without the key gets a word.
          expect(client.received.length).to.equal(0)
        },
      ),
      {numRuns: MALFORMED},
    )
    run.stopped = true
    await load
    expect(run.honest).to.be.greaterThan(20)
    const traffic = await gatewayTrafficOf(gateway)
    const rejected = Object.values(traffic.unauthenticated).reduce((sum, count) => sum + count, 0)
    expect(rejected).to.equal(MALFORMED)
    expect(traffic.connections.pending).to.equal(0)
    expect(residentOf(gateway.pids[0]) - before).to.be.lessThan(16 * 1024)
    expect((await edge.status()).traffic).to.have.property('gaveUp', 0)
    expect(overlay.logs.filter((line) => line.kind === 'unauthenticated').length).to.be.lessThan(LONG ? 400 : 40)
  }).timeout(LONG ? 400_000 : 60_000)

  it('drops the oldest of too many that say nothing', async () => {
    const middle = freeAddress()
    const gateway = await overlay.gateway('g5', middle, {'max-pending': 10, 'preamble-timeout': '600ms'})
    const silent = Array.from({length: 25}, () => overlay.client(middle))
    await eventually('15 were dropped', async () => {
      const {unauthenticated, connections} = await gatewayTrafficOf(gateway)
      return unauthenticated['too-many-pending'] === 15 && connections.pending === 10
    })
    await Promise.all(silent.map((client) => client.closed))
    const {unauthenticated, connections} = await gatewayTrafficOf(gateway)
    expect(unauthenticated).to.deep.equal({'too-many-pending': 15, timeout: 10})
    expect(connections.pending).to.equal(0)
  })
})
