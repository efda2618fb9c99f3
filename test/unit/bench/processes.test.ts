import {expect} from 'chai'
import {spawn, type ChildProcess} from 'node:child_process'
import {createServer, type AddressInfo, type Server, type Socket} from 'node:net'
import {createInterface} from 'node:readline'
import {setTimeout as sleep} from 'node:timers/promises'

import type {ExchangeOrder, ExchangeOutcome} from '../../../src/lib/bench/client-process.js'
import {nodeCommand} from '../../../src/lib/cli/node-entry.js'

const place = (name: string): URL => new URL(`../../../src/lib/bench/${name}`, import.meta.url)

/** A port of loopback that nobody listens on just now. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => probe.once('listening', resolve))
  const {port} = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

describe('measuring client and origin', () => {
  let client: ChildProcess
  let lines: AsyncIterator<string>
  let origin: ChildProcess | undefined
  let server: Server | undefined

  beforeEach(() => {
    const [program, ...words] = nodeCommand(place('client-process.js'))
    client = spawn(program, words, {stdio: ['pipe', 'pipe', 'inherit']})
    lines = createInterface({input: client.stdout!})[Symbol.asyncIterator]()
  })

  afterEach(() => {
    client.kill('SIGKILL')
    origin?.kill('SIGKILL')
    server?.close()
    origin = undefined
    server = undefined
  })

  async function exchange(order: Partial<ExchangeOrder> & {port: number}): Promise<ExchangeOutcome> {
    const whole = {address: '127.0.0.1', requestBytes: 100, responseBytes: 100, timeoutMs: 2000, ...order}
    client.stdin!.write(JSON.stringify(whole) + '\n')
    const {value} = await lines.next()
    return JSON.parse(value as string) as ExchangeOutcome
  }

  async function serve(answer: (socket: Socket) => void): Promise<number> {
    server = createServer(answer).listen(0, '127.0.0.1')
    await new Promise((resolve) => server!.once('listening', resolve))
    return (server.address() as AddressInfo).port
  }

  it('measure requests of any size, one after the other', async () => {
    const port = await freePort()
    const [program, ...words] = nodeCommand(place('origin-process.js'))
    origin = spawn(program, [...words, '127.0.0.1', String(port)], {stdio: 'inherit'})
    let outcome: ExchangeOutcome = {error: 'not started'}
    for (let tries = 0; 'error' in outcome && tries < 100; tries++) {
      await sleep(50)
      outcome = await exchange({port})
    }

    for (const requestBytes of [8, 100, 65_536, 1_000_000]) {
      const measured = await exchange({port, requestBytes, responseBytes: 20_000})
      expect(measured, `${requestBytes} bytes`).to.have.keys('connectMs', 'requestAtOriginMs', 'firstByteMs')
      const {connectMs, requestAtOriginMs, firstByteMs} = measured as Record<string, number>
      expect(connectMs).to.be.greaterThan(0)
      expect(requestAtOriginMs).to.be.greaterThan(connectMs)
      expect(firstByteMs).to.be.greaterThan(requestAtOriginMs)
    }
  })

  it('say why there is no measurement', async () => {
    expect(await exchange({port: await freePort()})).to.deep.equal({error: 'connect: ECONNREFUSED'})
    const cut = await serve((socket) => socket.once('data', () => socket.end('short')))
    expect(await exchange({port: cut})).to.deep.equal({error: '5 of 100 bytes came back'})
    server?.close()
    const other = await serve((socket) => socket.once('data', () => socket.end(Buffer.alloc(100))))
    expect(await exchange({port: other})).to.deep.equal({error: 'the origin read other bytes than were sent'})
    server?.close()
    const silent = await serve(() => {})
    expect(await exchange({port: silent, timeoutMs: 200})).to.deep.equal({error: 'recv: no answer in 200 ms'})
  })
})
