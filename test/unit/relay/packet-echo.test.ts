import {expect} from 'chai'
import {assert as holds, array, integer, property} from 'fast-check'
import {once} from 'node:events'
import {connect, type Socket} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'

import type {OverlayError} from '../../../src/lib/errors/index.js'
import type {CapturedFrame} from '../../../src/lib/kernel/pcap-stream.js'
import {parseKeys} from '../../../src/lib/keys/key-file.js'
import {EchoClient} from '../../../src/lib/probe/echo-client.js'
import {PacketAllowance} from '../../../src/lib/relay/packet-allowance.js'
import {ECHO_LIMITS, PacketEcho} from '../../../src/lib/relay/packet-echo.js'
import {ECHO_PACKETS_PER_SECOND, type EchoCapture} from '../../../src/lib/relay/packet-echo-session.js'
import {ECHO_PURPOSE, GREETING_LENGTH, REQUEST_LENGTH, writeRequest} from '../../../src/lib/wire/echo-frame.js'
import {HmacSha256} from '../../../src/lib/wire/hmac-sha256.js'
import {LinkType} from '../../../src/lib/wire/link-layer.js'
import {encodeIp} from '../../../src/lib/wire/tcp-packet.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'

const PORT = 7000
const ring = parseKeys(`1 ${'11'.repeat(32)}`, 'test')
const foreign = parseKeys(`1 ${'22'.repeat(32)}`, 'test')
const unknown = parseKeys(`2 ${'11'.repeat(32)}`, 'test')

/** A capture that hands over what the test puts into it. */
class FakeCapture implements EchoCapture {
  readonly linkType = LinkType.Raw
  readonly frames: CapturedFrame[] = []
  closed = 0

  next(): CapturedFrame | null {
    return this.frames.shift() ?? null
  }

  close(): void {
    this.closed++
  }

  /** A segment of the probe's, numbered. */
  arrive(sequence: number, payload?: Buffer): void {
    const probe = {address: '127.0.0.1', port: 20_000}
    const gateway = {address: '127.0.0.2', port: PORT}
    const fields = {sequence, acknowledgment: 0, flags: TcpFlag.SYN, window: 1024, payload}
    const data = encodeIp({...fields, source: probe, destination: gateway})
    this.frames.push({timeNs: 1n, data, originalLength: data.length})
  }
}

describe('packet echo of a gateway', () => {
  let echo: PacketEcho
  let captures: FakeCapture[]

  beforeEach(async () => {
    captures = []
    echo = await PacketEcho.listen({address: '127.0.0.1', port: 0}, [PORT], ring, () => {
      const capture = new FakeCapture()
      captures.push(capture)
      return capture
    })
  })

  afterEach(() => echo.close())

  const at = () => ({address: '127.0.0.1', port: echo.port})

  /** Everything that the gateway says until it ends the connection, after `request`. */
  const saidTo = async (request: (greeting: Buffer) => Buffer): Promise<Buffer> => {
    const socket = connect(echo.port, '127.0.0.1')
    let said = Buffer.alloc(0)
    let asked = false
    socket.on('data', (chunk: Buffer) => {
      said = Buffer.concat([said, chunk])
      if (said.length < GREETING_LENGTH || asked) return
      asked = true
      socket.write(request(said.subarray(0, GREETING_LENGTH)))
    })
    socket.on('error', () => {})
    await once(socket, 'close')
    return said
  }

  for (const [what, keys] of [
    ['another secret under our id', foreign],
    ['an id that it does not know', unknown],
  ] as const) {
    it(`${what}: no byte after the greeting, no capture, and the probe says why`, async () => {
      const hmac = new HmacSha256(keys.current.derive(ECHO_PURPOSE, 32))
      const said = await saidTo((greeting) =>
        writeRequest({id: keys.current.id, hmac}, greeting.subarray(4), Buffer.alloc(16)),
      )
      expect(said).to.have.lengthOf(GREETING_LENGTH)
      expect(captures).to.deep.equal([])
      const error = await EchoClient.open(at(), '127.0.0.1', keys).then(
        () => null,
        (error_: OverlayError) => error_,
      )
      expect(error?.code).to.equal('UNREACHABLE')
      expect(error?.toJson().cause).to.match(/does the key fit|ECONNRESET/)
    })
  }

  it('a request for an older challenge, or no request at all: likewise', async () => {
    const hmac = new HmacSha256(ring.current.derive(ECHO_PURPOSE, 32))
    const replayed = writeRequest({id: 1, hmac}, Buffer.alloc(16), Buffer.alloc(16))
    expect(await saidTo(() => replayed)).to.have.lengthOf(GREETING_LENGTH)
    expect(await saidTo(() => Buffer.alloc(REQUEST_LENGTH, 'GET / ')), 'a stranger').to.have.lengthOf(GREETING_LENGTH)
    expect(captures).to.deep.equal([])
  })

  it('who shows no request is sent away after 2 s', async () => {
    const began = performance.now()
    expect(await saidTo(() => Buffer.alloc(0))).to.have.lengthOf(GREETING_LENGTH)
    // A timer may be late on a busy machine, and early by the millisecond that it is rounded to.
    expect(performance.now() - began).to.be.within(ECHO_LIMITS.requestMs - 1, ECHO_LIMITS.requestMs + 3000)
  })

  it('tells a holder of the key what arrived, headers alone, and closes its capture with the connection', async () => {
    const client = await EchoClient.open(at(), '127.0.0.1', ring)
    expect(client.seenAs).to.equal('127.0.0.1')
    captures[0].arrive(7, Buffer.from('secret'))
    expect(await client.flush(5000)).to.equal(true)
    expect(client.packets).to.have.lengthOf(1)
    expect(client.packets[0]).to.deep.include({direction: 'arrived'})
    expect(client.packets[0].tcp).to.deep.include({sequence: 7, payloadLength: 6})
    expect(client.packets[0].tcp.payload).to.have.lengthOf(0)
    client.close()
    for (let waited = 0; captures[0].closed === 0 && waited < 5000; waited += 5) await sleep(5)
    expect(captures[0].closed).to.equal(1)
  })

  it(`tells ${ECHO_PACKETS_PER_SECOND} packets a second of a session, and says how many it kept to itself`, async () => {
    const client = await EchoClient.open(at(), '127.0.0.1', ring)
    const sent = 4 * ECHO_PACKETS_PER_SECOND
    const began = performance.now()
    for (let number = 0; number < sent; number++) captures[0].arrive(number)
    expect(await client.flush(5000)).to.equal(true)
    const most = ECHO_PACKETS_PER_SECOND * (1 + (performance.now() - began) / 1000)
    expect(client.packets.length).to.be.within(ECHO_PACKETS_PER_SECOND, Math.min(most, sent))
    // It says so once it may speak again.
    for (let waited = 0; client.withheld === 0 && waited < 5000; waited += 5) await sleep(5)
    expect(client.packets.length + client.withheld).to.equal(sent)
    client.close()
  })

  it(`${ECHO_LIMITS.connections} connections at once, and a place is free again when one ends`, async () => {
    const held: Socket[] = []
    for (let number = 0; number < ECHO_LIMITS.connections; number++) {
      const socket = connect(echo.port, '127.0.0.1')
      held.push(socket)
      await once(socket, 'data')
    }

    const one = connect(echo.port, '127.0.0.1').on('error', () => {})
    let said = 0
    one.on('data', (chunk: Buffer) => {
      said += chunk.length
    })
    await once(one, 'close')
    expect(said, 'said to one too many').to.equal(0)
    held[0].destroy()
    for (let waited = 0; ; waited += 50) {
      const client = await EchoClient.open(at(), '127.0.0.1', ring).catch(() => null)
      client?.close()
      if (client) break
      if (waited > 1000) throw new Error('no place became free')
      await sleep(50)
    }

    for (const socket of held) socket.destroy()
  })
})

describe('packet allowance', () => {
  it('never gives more than its rate times the time, and what a second saves up', () => {
    const step = integer({min: 0, max: 300})
    holds(
      property(integer({min: 1, max: 50}), array(step), (perSecond, steps) => {
        let now = 5
        let taken = 0
        const allowance = new PacketAllowance(perSecond, now)
        for (const ms of steps) {
          now += ms
          allowance.refill(now)
          for (let tries = 0; tries < 3; tries++) if (allowance.take()) taken++
          // The sum of many fractions is off by less than one packet in a thousand.
          expect(taken).to.be.at.most(perSecond * (1 + (now - 5) / 1000) + 0.001)
        }
      }),
    )
  })
})
