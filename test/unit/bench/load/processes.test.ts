import {expect} from 'chai'
import {spawn, type ChildProcess} from 'node:child_process'
import {createServer, type AddressInfo, type Server, type Socket} from 'node:net'
import {createInterface} from 'node:readline'
import {setTimeout as sleep} from 'node:timers/promises'

import type {LoadOrder, LoadOutcome} from '../../../../src/lib/bench/load/orders.js'
import {nodeCommand} from '../../../../src/lib/cli/node-entry.js'

const place = (name: string): URL => new URL(`../../../../src/lib/bench/load/${name}`, import.meta.url)
const ADDRESS = '127.0.0.1'

type Order<Of = LoadOrder> = Of extends unknown ? Omit<Of, 'address' | 'port'> : never

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, ADDRESS)
  await new Promise((resolve) => probe.once('listening', resolve))
  const free = (probe.address() as AddressInfo).port
  await new Promise((resolve) => probe.close(resolve))
  return free
}

const exchange = (change: Partial<Order<LoadOrder & {do: 'exchange'}>> = {}) => ({
  do: 'exchange' as const,
  connections: 1,
  inFlight: 1,
  fresh: true,
  bytes: 100,
  ms: 100,
  ...change,
})

describe('load client and origin', () => {
  let client: ChildProcess
  let origin: ChildProcess
  let lines: AsyncIterator<string>
  let port: number

  before(async () => {
    port = await freePort()
    const [program, ...words] = nodeCommand(place('client-process.js'))
    client = spawn(program, words, {stdio: ['pipe', 'pipe', 'inherit']})
    lines = createInterface({input: client.stdout!})[Symbol.asyncIterator]()
    const [again, ...originWords] = nodeCommand(place('origin-process.js'))
    origin = spawn(again, [...originWords, ADDRESS, String(port)], {stdio: 'inherit'})
    for (let tries = 0; tries < 100; tries++) {
      if ((await carryOut(exchange({ms: 0}))).done === 1) return
      await sleep(50)
    }
  })

  after(() => {
    client.kill('SIGKILL')
    origin.kill('SIGKILL')
  })

  async function carryOut(order: Order, to = port): Promise<LoadOutcome> {
    client.stdin!.write(JSON.stringify({...order, address: ADDRESS, port: to}) + '\n')
    return JSON.parse((await lines.next()).value as string) as LoadOutcome
  }

  for (const direction of ['up', 'down'] as const) {
    it(`move bulk ${direction} over several streams, and count what arrived`, async () => {
      const outcome = await carryOut({do: 'bulk', direction, streams: 3, ms: 100})
      expect(outcome).to.include({done: 3, failed: 0})
      expect(outcome.bytes).to.be.above(1_000_000)
      expect(outcome.ms).to.be.least(100)
    })
  }

  for (const direction of ['up', 'down'] as const) {
    for (const bytes of [1, 3_000_001]) {
      it(`transfer ${bytes} bytes ${direction}, to the byte`, async () => {
        const outcome = await carryOut({do: 'transfer', direction, bytes, ms: 10_000})
        expect(outcome).to.include({done: 1, failed: 0, bytes})
        expect(outcome.ms).to.be.above(0)
        if (direction === 'down') expect(outcome.firstByteMs).to.be.within(0, outcome.ms)
        else expect(outcome).not.to.have.property('firstByteMs')
      })
    }
  }

  it('exchange over a connection each', async () => {
    const outcome = await carryOut(exchange({connections: 8, inFlight: 8, bytes: 16_384}))
    expect(outcome).to.include({failed: 0, exchangeMs: null, bytes: outcome.done * 2 * 16_384})
    expect(outcome.done).to.be.above(8)
  })

  it('exchange over connections that are kept, and take the time of each', async () => {
    const outcome = await carryOut(exchange({connections: 8, inFlight: 2, fresh: false}))
    expect(outcome.failed).to.equal(0)
    expect(outcome.done).to.be.above(8)
    expect(outcome.exchangeMs!.p50).to.be.above(0)
  })

  it('hold connections until they are released', async () => {
    expect(await carryOut({do: 'hold', connections: 50, ms: 2000})).to.include({done: 50, failed: 0})
    expect(await carryOut({do: 'hold', connections: 20, ms: 2000})).to.include({done: 70, failed: 0})
    expect(await carryOut({do: 'release'})).to.include({done: 70})
    expect(await carryOut({do: 'release'})).to.include({done: 0})
  })

  describe('beside a server that is wrong', () => {
    let server: Server

    afterEach(() => server.close())

    async function serve(answer: (socket: Socket) => void): Promise<number> {
      server = createServer((socket) => answer(socket.on('error', () => {}))).listen(0, ADDRESS)
      await new Promise((resolve) => server.once('listening', resolve))
      return (server.address() as AddressInfo).port
    }

    const cases: [string, (socket: Socket) => void, Order, string][] = [
      [
        'an answer that is cut',
        (socket) => socket.once('data', () => socket.end('short')),
        exchange(),
        '5 of 100 bytes came back',
      ],
      [
        'another answer',
        (socket) => socket.once('data', () => socket.end(Buffer.alloc(100))),
        exchange(),
        'another answer came back',
      ],
      [
        'an upload that is not counted',
        (socket) => socket.once('data', () => socket.end()),
        {do: 'bulk', direction: 'up', streams: 1, ms: 50},
        '0 of 8 bytes came back',
      ],
      [
        'a download without a byte',
        (socket) => socket.once('data', () => socket.end()),
        {do: 'bulk', direction: 'down', streams: 1, ms: 50},
        'closed without a byte',
      ],
      [
        'a transfer that is cut',
        (socket) => socket.once('data', () => socket.end('short')),
        {do: 'transfer', direction: 'down', bytes: 100, ms: 5000},
        '5 of 100 bytes came',
      ],
      [
        'a transfer that is longer than it was to be',
        (socket) => socket.once('data', () => socket.end(Buffer.alloc(101))),
        {do: 'transfer', direction: 'down', bytes: 100, ms: 5000},
        '101 of 100 bytes came',
      ],
      [
        'a transfer that another length was counted of',
        (socket) => socket.on('data', () => {}).on('end', () => socket.end(Buffer.alloc(8))),
        {do: 'transfer', direction: 'up', bytes: 100, ms: 5000},
        '0 of 100 bytes arrived',
      ],
      [
        'a transfer that does not go on',
        () => {},
        {do: 'transfer', direction: 'down', bytes: 100, ms: 100},
        '0 of 100 bytes in 0.1 s',
      ],
    ]
    for (const [what, answer, order, message] of cases) {
      it(`${what} is a failure`, async () => {
        const outcome = await carryOut(order, await serve(answer))
        expect(outcome.failed).to.be.above(0)
        expect(outcome.done).to.equal(0)
        // A server that closes while bytes of ours are unread resets.
        expect(
          outcome.messages.every((each) =>
            [message, 'send: ECONNRESET', 'send: EPIPE', 'recv: ECONNRESET'].includes(each),
          ),
          outcome.messages.join('; '),
        ).to.equal(true)
      })
    }

    it('nobody there is a failure of every try, and ends in time', async () => {
      server = createServer()
      const outcome = await carryOut(exchange({connections: 2, ms: 50}), await freePort())
      expect(outcome.done).to.equal(0)
      expect(outcome.messages).to.deep.equal(['connect: ECONNREFUSED'])
    })
  })
})
