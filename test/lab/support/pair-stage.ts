import {readFileSync, readdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import type {FailoverStatus, MemberStatus} from '../../../src/lib/pair/pair-control.js'
import {newSecret, overlay, OVERLAY, Scratch, serve} from './overlay.js'

export type Region = 'edge' | 'gateway'
export type Letter = 'a' | 'b'
type Pair = MemberStatus['pair']

const ORIGIN_PORT = 9000
const SERVICE_PORT = 8080
const MIDDLE_PORT = 7000
const LINK_PORT = 7900

/** Networks of a lab: client-edge, edge-gateway, gateway-origin, and a replication link for each region. */
const LINK_NETWORK = {edge: 4, gateway: 5}

export interface StageOptions {
  pairs: Region[]
  family: 'ipv4' | 'ipv6'
  /** Of each link on the path, and of the replication links. */
  rttMs?: number
  replicationRttMs?: number
  onBackupLoss?: 'solo' | 'stall'
}

/** An overlay in a lab whose edge, gateway or both are pairs. */
export class PairStage {
  readonly scratch = new Scratch()
  /** What all members have logged. */
  log = ''
  readonly #members = new Map<string, HostProcess>()
  readonly #keys = this.scratch.keyFile('keys', [{id: 1, secret: newSecret()}])

  private constructor(
    readonly lab: Lab,
    readonly options: StageOptions,
  ) {}

  static async up(options: StageOptions): Promise<PairStage> {
    const {rttMs = 10, replicationRttMs = 0} = options
    const lab = await Lab.up(
      {
        pairs: options.pairs,
        links: {
          'client-edge': {rttMs},
          'edge-gateway': {rttMs},
          'gateway-origin': {rttMs},
          ...Object.fromEntries(options.pairs.map((region) => [`${region}-replication`, {rttMs: replicationRttMs}])),
        },
      },
      {owned: true},
    )
    const stage = new PairStage(lab, options)
    try {
      await serve(lab, 'origin', ORIGIN_PORT)
      for (const region of ['gateway', 'edge'] as const) {
        if (options.pairs.includes(region)) await Promise.all([stage.start(region, 'a'), stage.start(region, 'b')])
        else await stage.start(region)
      }

      for (const region of options.pairs) await stage.paired(region)
      return stage
    } catch (error) {
      await stage.down()
      throw error
    }
  }

  /** Where clients connect. */
  get service(): {address: string; port: number} {
    return {address: this.#address(1, this.options.pairs.includes('edge') ? 20 : 21), port: SERVICE_PORT}
  }

  async down(): Promise<void> {
    await this.lab.down()
    this.scratch.remove()
  }

  /** Starts a region's relay, or one member of its pair. */
  async start(region: Region, letter?: Letter): Promise<void> {
    const host = letter === undefined ? region : `${region}-${letter}`
    const config = join(this.scratch.path, `${host}.yml`)
    writeFileSync(config, region === 'edge' ? this.#edge(letter) : this.#gateway(letter))
    const running = this.lab.spawn(host, [...OVERLAY, region, 'start', '--config', config, '--name', host, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#members.set(host, running)
    let log = ''
    running.child.stderr!.on('data', (chunk: Buffer) => {
      log += chunk.toString()
      this.log += chunk.toString()
    })
    await new Promise<void>((resolve, reject) => {
      let out = ''
      running.child.stdout!.on('data', (chunk: Buffer) => {
        out += chunk.toString()
        if (out.includes('"event":"ready"')) resolve()
      })
      running.exited.then(() => reject(new Error(`${host} ended: ${out}${log}`)), reject)
    })
  }

  async status(region: Region, letter: Letter): Promise<Pair> {
    const host = `${region}-${letter}`
    const {members} = await overlay<FailoverStatus>(this.lab, host, 'failover', 'status', '--name', host)
    return members[0].pair
  }

  /** Hands the addresses over. */
  async takeover(region: Region, letter: Letter): Promise<void> {
    await overlay(this.lab, `${region}-${letter}`, 'failover', 'takeover')
  }

  /** Waits until a member is what is asked for. */
  async until(region: Region, letter: Letter, what: string, good: (pair: Pair) => boolean): Promise<Pair> {
    const deadline = Date.now() + 10_000
    for (;;) {
      const pair = await this.status(region, letter)
      if (good(pair)) return pair
      if (Date.now() > deadline) throw new Error(`${region}-${letter} is not ${what}: ${JSON.stringify(pair)}`)
    }
  }

  /** Waits until one of the two is owner and its backup holds everything. Returns the owner. */
  async paired(region: Region): Promise<Letter> {
    const deadline = Date.now() + 10_000
    for (;;) {
      for (const letter of ['a', 'b'] as const) {
        const {role, link, leaseMs} = await this.status(region, letter)
        // Who was stopped believes so until it hears of the other one, but has no lease.
        if (role === 'owner' && link === 'paired' && leaseMs !== 0) return letter
      }

      if (Date.now() > deadline) throw new Error(`the ${region} pair is not paired`)
    }
  }

  /** Sends a signal to all processes of a member: the supervisor first, which could otherwise start another relay. */
  signal(region: Region, letter: Letter, signal: NodeJS.Signals): void {
    const {pid} = this.#members.get(`${region}-${letter}`)!.child
    for (const each of [pid!, ...descendants(pid!)]) process.kill(each, signal)
  }

  #edge(letter?: Letter): string {
    const listen = this.#endpoint(1, letter === undefined ? 21 : 20, SERVICE_PORT)
    return [
      'edge:',
      `  keyFile: ${this.#keys}`,
      `  services: [{name: web, listen: "${listen}", origin: "${this.#endpoint(3, 21, ORIGIN_PORT)}", gateways: ["${this.#middle}"]}]`,
      ...(letter === undefined
        ? []
        : this.#pair('edge', letter, [1, 20, letter === 'a' ? 22 : 21], [2, 10, letter === 'a' ? 12 : 11])),
    ].join('\n')
  }

  #gateway(letter?: Letter): string {
    return [
      'gateway:',
      `  keyFile: ${this.#keys}`,
      `  listen: "${this.#middle}"`,
      `  allowOrigins: ["${this.#endpoint(3, 21, ORIGIN_PORT)}"]`,
      ...(letter === undefined
        ? []
        : this.#pair('gateway', letter, [2, 20, letter === 'a' ? 22 : 21], [3, 10, letter === 'a' ? 12 : 11])),
    ].join('\n')
  }

  get #middle(): string {
    return this.#endpoint(2, this.options.pairs.includes('gateway') ? 20 : 21, MIDDLE_PORT)
  }

  /** @param places network, virtual host number, the other member's own */
  #pair(region: Region, letter: Letter, ...places: [number, number, number][]): string[] {
    const own = letter === 'a' ? 11 : 21
    const other = letter === 'a' ? 21 : 11
    const network = LINK_NETWORK[region]
    const prefix = this.options.family === 'ipv4' ? 24 : 64
    return [
      '  pair:',
      `    member: ${letter}`,
      `    listen: "${this.#endpoint(network, own, LINK_PORT)}"`,
      `    peer: "${this.#endpoint(network, other, LINK_PORT)}"`,
      `    onBackupLoss: ${this.options.onBackupLoss ?? 'solo'}`,
      '    virtualAddresses:',
      ...places.map(
        ([net, virtual, peer]) =>
          `      - {address: "${this.#address(net, virtual)}/${prefix}", peer: "${this.#address(net, peer)}"}`,
      ),
    ]
  }

  #address(network: number, host: number): string {
    return this.options.family === 'ipv4' ? `10.77.${network}.${host}` : `fd77:${network}::${host}`
  }

  #endpoint(network: number, host: number, port: number): string {
    const address = this.#address(network, host)
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  }
}

/** All children of a process, theirs too. */
function descendants(pid: number): number[] {
  const found: number[] = []
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      if (parent === pid) found.push(Number(entry), ...descendants(Number(entry)))
    } catch {
      // It has ended meanwhile.
    }
  }

  return found
}
