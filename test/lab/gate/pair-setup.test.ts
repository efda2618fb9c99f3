import {expect} from 'chai'
import {createInterface, type Interface} from 'node:readline'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {SETUP_WITH_TIMESTAMPS, setupKey} from '../../../src/lib/gate/setup-maps.js'
import {flowHash, mssIndex} from '../../../src/lib/handshake/suggested-isn.js'
import {bootTimeMs} from '../../../src/lib/kernel/boot-time.js'
import {Key} from '../../../src/lib/keys/key-file.js'
import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import {Lab} from '../../../src/lib/lab/lab.js'

const PORT = 9000
const GREETING_PORT = 9001
const SERVER = fileURLToPath(new URL('../support/setup-server.ts', import.meta.url))
const FLOOD = fileURLToPath(new URL('../support/syn-flood.ts', import.meta.url))
const VIRTUAL = {ipv4: '10.77.1.10', ipv6: 'fd77:1::10'}

type Counters = Record<string, number>

/** test/lab/support/setup-server.ts in a host, asked line by line. */
class Member {
  readonly #process: HostProcess
  readonly #lines: Interface
  readonly #waiting: ((line: string) => void)[] = []

  private constructor(process: HostProcess) {
    this.#process = process
    this.#lines = createInterface({input: process.child.stdout!})
    this.#lines.on('line', (line) => this.#waiting.shift()?.(line))
  }

  static async start(lab: Lab, host: string, other: string): Promise<Member> {
    const {name} = lab.host(host).interfaces['client-edge']!
    const {ipv4, ipv6} = lab.host(other).interfaces['client-edge']!
    const words = [process.execPath, '--import', 'tsx', SERVER, name, join(lab.host(host).runDir, 'bpf', 'gate')]
    const addresses = [VIRTUAL.ipv4, ipv4, VIRTUAL.ipv6, ipv6]
    const running = lab.spawn(host, [...words, String(PORT), ...addresses], {stdio: ['pipe', 'pipe', 'inherit']})
    const member = new Member(running)
    expect(await member.#line()).to.equal('ready')
    return member
  }

  async ask<T = object>(command: string): Promise<T> {
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
      this.#process.exited.then(() => reject(new Error('the member ended')), reject)
    })
  }
}

/** Connects, sends what it is told, and prints what it hears, or how it failed. */
const CLIENT = `
const [address, port, text, localPort] = process.argv.slice(1)
const socket = require('node:net').connect({host: address, port: Number(port), localPort: Number(localPort) || undefined})
const done = (word) => { console.log(word); process.exit() }
socket.on('connect', () => { if (text) socket.write(text) })
socket.on('data', (data) => done(data.toString()))
socket.on('error', (error) => done(error.code))
setTimeout(() => done('TIMEOUT'), 6000)
`

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Of Linux hosts on Ethernet, with the receive buffers of a lab. */
const CLIENT_OPTIONS = {windowScale: 10, mss: {ipv4: 1460, ipv6: 1440}}

/** A client port whose SYN/ACK of now looks, to who tries the time bucket before, like one of a little less than 1 MiB ago. */
async function portThatFitsTwice(client: string, server: string): Promise<number> {
  const key = setupKey(new Key(1, Buffer.alloc(32, 1)))
  // The bucket must not change before the connection is there.
  while ((bootTimeMs() / 1000) % 64 > 58) await sleep(500)
  const bucket = Math.floor(bootTimeMs() / 64_000)
  const mss = CLIENT_OPTIONS.mss[server.includes(':') ? 'ipv6' : 'ipv4']
  const options = CLIENT_OPTIONS.windowScale | (mssIndex(mss) << 4) | 0x80 | (SETUP_WITH_TIMESTAMPS << 8)
  for (let port = 10_000; port < 65_536; port++) {
    const hash = (at: number) => flowHash(key, {address: client, port}, {address: server, port: PORT}, options, at)
    const apart = (hash(bucket - 1) - hash(bucket)) >>> 0
    if (apart > 10_000 && apart < 1_000_000) return port
  }

  throw new Error('no port fits')
}

describe("how a pair's connections begin", () => {
  let lab: Lab
  let a: Member
  let b: Member

  beforeEach(async () => {
    lab = await Lab.up(
      {
        pairs: ['edge'],
        links: {'client-edge': {rttMs: 10}, 'edge-gateway': {rttMs: 0}, 'gateway-origin': {rttMs: 0}},
      },
      {owned: true},
    )
    a = await Member.start(lab, 'edge-a', 'edge-b')
    b = await Member.start(lab, 'edge-b', 'edge-a')
  })

  afterEach(async () => {
    await a.stop()
    await b.stop()
    for (const host of ['edge-a', 'edge-b']) {
      const device = lab.host(host).interfaces['client-edge']!.name
      const {stdout} = await lab.exec(host, ['tc', 'qdisc', 'show', 'dev', device])
      expect(stdout).to.not.include('clsact')
    }

    await lab.down()
  })

  async function own(member: Member, role: string): Promise<void> {
    await member.ask(`role ${role}`)
    await member.ask('address on')
    await sleep(50)
  }

  async function dieAndTakeOver(): Promise<void> {
    await a.ask('role backup')
    await a.ask('address off')
    await own(b, 'owner solo')
  }

  const dial = (family: 'ipv4' | 'ipv6', port: number, text = '', localPort = 0) => {
    const words = [VIRTUAL[family], String(port), text, String(localPort)]
    const {child} = lab.spawn('client', [process.execPath, '-e', CLIENT, ...words])
    return new Promise<string>((resolve) => {
      child.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()))
    })
  }

  const timestamps = (on: boolean) => lab.exec('client', ['sysctl', '-qw', `net.ipv4.tcp_timestamps=${on ? 1 : 0}`])

  for (const family of ['ipv4', 'ipv6'] as const) {
    for (const on of [true, false]) {
      const name = `${family}, ${on ? 'with' : 'without'} timestamps`

      it(`${name}: the backup answers, the owner makes the connection`, async () => {
        await timestamps(on)
        await own(a, 'via solo')
        expect(await dial(family, PORT, 'one')).to.equal('one')
        expect(await dial(family, GREETING_PORT)).to.equal('HELLO')
        const [owner, backup] = [await a.ask<Counters>('counters'), await b.ask<Counters>('counters')]
        expect(owner).to.include({synHandedOver: 2, synAnswered: 0, childMade: 2, childFailed: 0})
        expect(backup).to.include({synAnswered: 2, childMade: 0})
      })

      it(`${name}: a connection that nobody has yet survives the owner`, async () => {
        await timestamps(on)
        await own(a, 'via solo')
        // The SYN/ACK comes by way of the backup; what the client says next meets an owner that is dead.
        const direction = {towards: 'edge'} as const
        await lab.setLink('client-edge', {drop: ['ack:1', 'data:1-2'], ...direction})
        const clients = [dial(family, PORT, 'kept'), dial(family, GREETING_PORT)]
        await sleep(250)
        const made = async () => (await b.ask<Counters>('counters')).childMade
        const before = await made()
        await dieAndTakeOver()
        const {sent} = await b.ask<{sent: number}>('resend')
        // A client that has said something again before that has its connection by it.
        expect(sent + (await made()) - before).to.be.at.least(2)
        expect(await Promise.all(clients)).to.deep.equal(['kept', 'HELLO'])
      })
    }

    it(`${family}: where an acknowledgement stands is not taken from a time bucket that fits by chance`, async () => {
      const client = lab.host('client').interfaces['client-edge']![family]
      const localPort = await portThatFitsTwice(client, VIRTUAL[family])
      await own(a, 'via solo')
      await lab.setLink('client-edge', {drop: ['ack:1', 'data:1-4'], towards: 'edge'})
      const answer = dial(family, PORT, 'kept', localPort)
      await sleep(100)
      await dieAndTakeOver()
      // To the SYN/ACK that is said again the client answers with an ACK from behind its first bytes.
      await b.ask('resend')
      expect(await answer).to.equal('kept')
    })

    it(`${family}: without a backup the owner answers itself`, async () => {
      await own(a, 'owner solo')
      expect(await dial(family, PORT, 'alone')).to.equal('alone')
      expect(await a.ask<Counters>('counters')).to.include({synHandedOver: 0, synAnswered: 1, childMade: 1})
    })

    it(`${family}: a connection is mute until the backup knows it`, async () => {
      await own(a, 'via')
      const client = dial(family, PORT, 'mute')
      await sleep(500)
      expect(await a.ask('status')).to.deep.equal([4])
      expect((await a.ask<Counters>('counters')).unknownDropped).to.be.above(0)
      await a.ask('admit')
      expect(await client).to.equal('mute')
      expect((await a.ask<Counters>('counters')).notConsented).to.equal(0)
    })
  }

  it('keys are changed without refusing anybody', async () => {
    await own(a, 'via solo')
    await a.ask('keys 2 1')
    expect(await dial('ipv4', PORT, 'old')).to.equal('old')
    await b.ask('keys 2 -')
    expect(await dial('ipv4', PORT, 'new')).to.equal('new')
    // An owner that has neither key makes no connection of it.
    await a.ask('keys 3 -')
    expect(await dial('ipv4', PORT, 'wrong')).to.be.oneOf(['ECONNRESET', 'EPIPE', 'TIMEOUT'])
    expect((await a.ask<Counters>('counters')).childMade).to.equal(2)
  })

  it('20,000 forged SYNs cost honest clients nothing, and the owner no socket', async () => {
    await own(a, 'via solo')
    const from = lab.host('client').interfaces['client-edge']!.ipv4
    const words = [process.execPath, '--import', 'tsx', FLOOD, VIRTUAL.ipv4, String(PORT), from, '20000']
    const flood = lab.exec('client', words, {timeoutMs: 20_000})
    expect(await dial('ipv4', PORT, 'honest')).to.equal('honest')
    expect((await flood).stdout).to.include('sent')
    expect(await dial('ipv4', PORT, 'after')).to.equal('after')
    const {stdout} = await lab.exec('edge-a', ['ss', '-tnH', 'state', 'syn-recv'])
    expect(stdout.trim()).to.equal('')
    expect((await b.ask<Counters>('counters')).synAnswered).to.be.above(15_000)
  })
})
