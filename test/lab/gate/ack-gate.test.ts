import {expect} from 'chai'
import {createInterface, type Interface} from 'node:readline'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {PcapReader} from '../../../src/lib/capture/pcap-reader.js'
import type {GatedFlow} from '../../../src/lib/gate/gate-maps.js'
import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import {decodeEthernet, TcpFlag} from '../../../src/lib/wire/tcp-segment.js'
import {Scratch} from '../support/overlay.js'

const PORT = 9000
const SERVER = fileURLToPath(new URL('../support/gate-server.ts', import.meta.url))

/** The server of test/lab/support/gate-server.ts, asked line by line. */
class GateServer {
  readonly #process: HostProcess
  readonly #lines: Interface
  readonly #waiting: ((line: string) => void)[] = []

  private constructor(process: HostProcess) {
    this.#process = process
    this.#lines = createInterface({input: process.child.stdout!})
    this.#lines.on('line', (line) => this.#waiting.shift()?.(line))
  }

  static async start(lab: Lab, host: string, device: string, addresses: string[]): Promise<GateServer> {
    const words = [process.execPath, '--import', 'tsx', SERVER, device, join(lab.host(host).runDir, 'bpf', 'gate')]
    const running = lab.spawn(host, [...words, String(PORT), ...addresses], {stdio: ['pipe', 'pipe', 'inherit']})
    const server = new GateServer(running)
    expect(await server.#line()).to.equal('ready')
    return server
  }

  async ask<T = unknown>(command: string): Promise<T> {
    this.#process.child.stdin!.write(command + '\n')
    return JSON.parse(await this.#line()) as T
  }

  async stop(): Promise<void> {
    this.#process.child.stdin!.end()
    await this.#process.exited
  }

  #line(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve)
      this.#process.exited.then(() => reject(new Error('the gate server ended')), reject)
    })
  }
}

interface Status {
  received: number
  fenced: boolean
  flow: GatedFlow | null
}

/** A client that sends bytes and then waits; prints what became of it. */
const CLIENT = `
const [address, port, bytes, end] = process.argv.slice(1)
const socket = require('node:net').connect({host: address, port: Number(port), allowHalfOpen: true})
socket.on('error', (error) => { console.log(error.code); process.exit() })
socket.on('connect', () => { if (bytes !== '0') socket.write(Buffer.alloc(Number(bytes), 7)); if (end) socket.end() })
socket.on('end', () => { console.log('FIN'); socket.destroy() })
socket.on('close', () => process.exit())
socket.resume()
`

/** Prints how connect() ends. */
const REACH = `
const [address, port] = process.argv.slice(1)
const socket = require('node:net').connect({host: address, port: Number(port)})
socket.on('connect', () => { console.log('CONNECTED'); process.exit() })
socket.on('error', (error) => { console.log(error.code); process.exit() })
`

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The highest acknowledgement that the client has heard of its bytes, relative to its first one. */
async function heard(file: string): Promise<number> {
  let first: number | undefined
  let highest = 0
  for (const {data} of PcapReader.open(file)) {
    const segment = decodeEthernet(data)
    if (!segment) continue
    if (segment.destinationPort === PORT && (segment.flags & TcpFlag.SYN) !== 0) first = segment.sequence + 1
    if (segment.sourcePort === PORT && (segment.flags & TcpFlag.ACK) !== 0)
      highest = Math.max(highest, segment.acknowledgment - first!)
  }

  return highest
}

describe('the ACK gate', () => {
  const scratch = new Scratch()
  let lab: Lab
  let server: GateServer

  beforeEach(async () => {
    lab = await Lab.up(
      {links: {'client-edge': {rttMs: 2}, 'edge-gateway': {rttMs: 0}, 'gateway-origin': {rttMs: 0}}},
      {owned: true},
    )
    const {name, ipv4, ipv6} = lab.host('edge').interfaces['client-edge']!
    server = await GateServer.start(lab, 'edge', name, [ipv4, ipv6])
  })

  afterEach(async () => {
    await server.stop()
    const device = lab.host('edge').interfaces['client-edge']!.name
    const {stdout} = await lab.exec('edge', ['tc', 'qdisc', 'show', 'dev', device])
    expect(stdout).to.not.include('clsact')
    await lab.down()
  })

  after(() => scratch.remove())

  const dial = (family: 'ipv4' | 'ipv6', bytes: number, end = false) =>
    lab.spawn('client', [
      process.execPath,
      '-e',
      CLIENT,
      lab.host('edge').interfaces['client-edge']![family],
      String(PORT),
      String(bytes),
      ...(end ? ['end'] : []),
    ])
  /** Connects after forgetting the neighbours: EHOSTUNREACH when nobody answers for the address. */
  async function reach(family: 'ipv4' | 'ipv6'): Promise<string> {
    await lab.exec('client', ['ip', 'neigh', 'flush', 'all'])
    const address = lab.host('edge').interfaces['client-edge']![family]
    const {stdout} = await lab.exec('client', [process.execPath, '-e', REACH, address, String(PORT)])
    return stdout.trim()
  }

  for (const family of ['ipv4', 'ipv6'] as const) {
    it(`${family}: nothing is acknowledged that the backup does not hold, and no more than it holds`, async () => {
      const file = join(scratch.path, `${family}.pcap`)
      const capture = await lab.capture('client', 'client-edge', file, {filter: 'tcp'})
      const client = dial(family, 30_000)
      await sleep(700)
      const [held] = await server.ask<Status[]>('status')
      // The kernel has the first bytes and would acknowledge them; nothing has left.
      expect(held.received).to.be.above(0)
      expect(held.flow!.lastAck).to.equal(held.flow!.irs)
      await server.ask('raise 5000')
      await sleep(200)
      const [raised] = await server.ask<Status[]>('status')
      expect(raised.flow!.gate - raised.flow!.irs).to.equal(5000)
      await capture.stop()
      expect(await heard(file)).to.equal(5000)
      await server.ask('raise 30000')
      await sleep(800)
      const [all] = await server.ask<Status[]>('status')
      expect(all.received).to.equal(30_000)
      await server.ask('close')
      const out = await new Promise<string>((resolve) => {
        client.child.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()))
      })
      expect(out).to.equal('FIN')
      const counters = await server.ask<Record<string, number>>('counters')
      expect(counters.notConsented).to.equal(0)
      expect(counters.kicked).to.be.above(0)
    })
  }

  it("a client's FIN is acknowledged only with the gate", async () => {
    dial('ipv4', 100, true)
    await sleep(300)
    await server.ask('raise 100')
    await sleep(100)
    const [before] = await server.ask<Status[]>('status')
    expect(before.flow!.lastAck - before.flow!.irs).to.equal(100)
    await server.ask('raise 101')
    await sleep(100)
    const [after] = await server.ask<Status[]>('status')
    expect(after.flow!.lastAck - after.flow!.irs).to.equal(101)
  })

  it('a FIN or RST without consent stays here, and silences the address, ARP and neighbour advertisements too', async () => {
    const client = dial('ipv4', 100)
    let out = ''
    client.child.stdout!.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    await sleep(300)
    await server.ask('lease 60000')
    await server.ask('drop')
    await sleep(300)
    const [status] = await server.ask<Status[]>('status')
    expect(status.fenced).to.equal(true)
    expect(status.flow!.dead).to.equal(true)
    expect(out).to.equal('')
    for (const family of ['ipv4', 'ipv6'] as const) expect(await reach(family)).to.equal('EHOSTUNREACH')

    const counters = await server.ask<Record<string, number>>('counters')
    expect(counters.notConsented).to.equal(1)
    expect(counters.fencedDropped).to.be.above(1)
  })

  it('a lease that runs out silences the address, and a new one lets it speak', async () => {
    await server.ask('lease 100')
    await sleep(300)
    for (const family of ['ipv4', 'ipv6'] as const) expect(await reach(family)).to.equal('EHOSTUNREACH')
    await server.ask('lease 60000')
    for (const family of ['ipv4', 'ipv6'] as const) expect(await reach(family)).to.equal('CONNECTED')
  })
})
