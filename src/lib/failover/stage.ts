import {randomBytes} from 'node:crypto'
import {mkdirSync, readFileSync, readdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {overlayCommand} from '../cli/node-entry.js'
import {OverlayError} from '../errors/index.js'
import type {HostProcess} from '../lab/host-process.js'
import {Lab} from '../lab/lab.js'
import {labDirectory} from '../lab/state.js'
import type {LinkEngineName} from '../lab/spec.js'
import type {MemberStatus} from '../pair/pair-control.js'
import {askSocket} from '../relay/admin-client.js'
import type {InstanceStatus} from '../relay/supervisor.js'
import {EtcdServer} from './etcd-server.js'
import {SmallDisk} from './small-disk.js'

export type Region = 'edge' | 'gateway'
export type Letter = 'a' | 'b'
type Pair = MemberStatus['pair']

/** Of the origin, and of the one that speaks first. */
export const ORIGIN_PORTS = [9000, 9001] as const
/** Where the edge takes connections for each of them. */
export const SERVICE_PORTS = [8080, 8081] as const
const MIDDLE_PORT = 7000
const LINK_PORT = 7900

/** Of an owner's lease in etcd: the shortest, so that scenarios need not wait. */
const ETCD_TTL = '2s'

/** A member that was stopped answers nobody; then the other one is asked, ms. */
const STATUS_MS = 1000

/** A relay gives its own processes 15 s to be ready; its attaching of programs comes on top, ms. */
const READY_MS = 25_000

/** Between two looks at the members, ms. */
const POLL_MS = 20

const LETTERS = ['a', 'b'] as const

/** Networks of a lab: client-edge, edge-gateway, gateway-origin, and a replication link for each region. */
const LINK_NETWORK = {edge: 4, gateway: 5}

export interface StageOptions {
  /** Default auto; `bridge` takes no round trips. */
  linkEngine?: LinkEngineName
  pairs: Region[]
  family: 'ipv4' | 'ipv6'
  /** Of each link on the path, and of the replication links. */
  rttMs?: number
  replicationRttMs?: number
  onBackupLoss?: 'solo' | 'stall'
  /** Bytes. */
  journalLimit?: number
  /** ms. */
  lease?: number
  takeover?: number
  /** Each member keeps its files on a file system of its own, which can be filled. */
  smallDisks?: boolean
  /** Who decides which server owns the addresses; default static. */
  coordination?: 'etcd' | 'static'
  /** How many services the edge has, each with an origin port of its own; 2 unless given. */
  services?: number
  /** Whether the middle leg opens in zero round trips; default true. */
  zeroRtt?: boolean
  /** Of all hosts. */
  congestionControl?: string
}

/** Ports of the n-th service, from 0: where the edge takes connections, and where the origin does. */
export function servicePorts(index: number): {service: number; origin: number} {
  return {service: SERVICE_PORTS[0] + index, origin: ORIGIN_PORTS[0] + index}
}

/** An overlay in a lab whose edge, gateway or both are pairs. */
export class PairStage {
  /** What all members have logged. */
  log = ''
  /** In the lab's own, and gone with it. */
  readonly #directory: string
  readonly #members = new Map<string, HostProcess>()
  readonly #disks = new Map<string, SmallDisk>()
  /** Null unless it decides. */
  etcd: EtcdServer | null = null

  private constructor(
    readonly lab: Lab,
    readonly options: StageOptions,
  ) {
    this.#directory = join(labDirectory(lab.name), 'stage')
    mkdirSync(this.#directory, {mode: 0o700})
  }

  static async up(options: StageOptions): Promise<PairStage> {
    const {rttMs = 10, replicationRttMs = 0} = options
    const lab = await Lab.up(
      {
        pairs: options.pairs,
        linkEngine: options.linkEngine,
        congestionControl: options.congestionControl,
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
    writeFileSync(stage.#keys, `1 ${randomBytes(32).toString('hex')}\n`, {mode: 0o600})
    try {
      if (options.coordination === 'etcd') stage.etcd = await EtcdServer.start(lab, join(stage.#directory, 'etcd'))
      if (options.smallDisks) stage.#giveDisks()
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

  /** Where a member keeps its files. @throws Error without `smallDisks` */
  disk(region: Region, letter: Letter): SmallDisk {
    return this.#disks.get(`${region}-${letter}`)!
  }

  /** Where clients connect. */
  get service(): {address: string; port: number; bannerPort: number} {
    const address = this.address(1, this.options.pairs.includes('edge') ? 20 : 21)
    return {address, port: SERVICE_PORTS[0], bannerPort: SERVICE_PORTS[1]}
  }

  get #keys(): string {
    return join(this.#directory, 'keys')
  }

  async down(): Promise<void> {
    await this.lab.down()
  }

  /**
   * Starts a region's relay, or one member of its pair.
   *
   * @param versions of the replication protocol that it speaks, lowest and highest; its own when not given
   * @throws OverlayError UNREACHABLE when it ends before it is ready, DEADLINE_EXCEEDED when it is neither
   */
  async start(region: Region, letter?: Letter, versions?: readonly [number, number]): Promise<void> {
    const host = letter === undefined ? region : `${region}-${letter}`
    const config = join(this.#directory, `${host}.yml`)
    writeFileSync(config, region === 'edge' ? this.#edge(letter) : this.#gateway(letter))
    const running = this.lab.spawn(
      host,
      overlayCommand(
        region,
        'start',
        '--config',
        config,
        '--name',
        host,
        ...(versions === undefined ? [] : ['--replication-versions', versions.join('-')]),
        '--json',
      ),
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    this.#members.set(host, running)
    let log = ''
    running.child.stderr!.on('data', (chunk: Buffer) => {
      log += chunk.toString()
      this.log += chunk.toString()
    })
    await new Promise<void>((resolve, reject) => {
      let out = ''
      const said = (): {cause: string} => ({cause: `${out}${log}`.trim()})
      const timer = setTimeout(
        () => reject(new OverlayError('DEADLINE_EXCEEDED', `${host} is not ready after ${READY_MS / 1000} s`, said())),
        READY_MS,
      )
      running.child.stdout!.on('data', (chunk: Buffer) => {
        out += chunk.toString()
        if (!out.includes('"event":"ready"')) return
        clearTimeout(timer)
        resolve()
      })
      running.exited
        .finally(() => clearTimeout(timer))
        .then(() => reject(new OverlayError('UNREACHABLE', `${host} ended before it was ready`, said())), reject)
    })
  }

  async status(region: Region, letter: Letter): Promise<Pair> {
    const host = `${region}-${letter}`
    // The admin socket is a file: it can be asked from outside the host.
    const adminSocket = join(this.lab.host(host).runDir, region, host, 'admin.sock')
    const status = await askSocket<InstanceStatus>(
      {role: region, name: host, adminSocket},
      {command: 'status'},
      STATUS_MS,
    )
    if (status.pair === null) throw new OverlayError('NOT_PAIRED', `${host} is being started`)
    return status.pair
  }

  /** Hands the addresses over. @throws OverlayError NOT_PAIRED */
  async takeover(region: Region, letter: Letter): Promise<void> {
    const host = `${region}-${letter}`
    const {code, stdout} = await this.lab.exec(host, overlayCommand('failover', 'takeover', '--name', host, '--json'))
    if (code !== 0) throw new OverlayError('NOT_PAIRED', `${host} hands nothing over`, {cause: stdout.trim()})
  }

  /** Waits until a member is what is asked for. */
  async until(region: Region, letter: Letter, what: string, good: (pair: Pair) => boolean): Promise<Pair> {
    const deadline = Date.now() + 10_000
    for (;;) {
      const pair = await this.status(region, letter).catch(() => null)
      if (pair !== null && good(pair)) return pair
      await sleep(POLL_MS)
      if (Date.now() > deadline) {
        throw new OverlayError('DEADLINE_EXCEEDED', `${region}-${letter} is not ${what}`, {cause: JSON.stringify(pair)})
      }
    }
  }

  /** Waits until one of the two is owner and its backup holds everything. Returns the owner. */
  async paired(region: Region): Promise<Letter> {
    const deadline = Date.now() + 10_000
    for (;;) {
      for (const letter of LETTERS) {
        if (!this.runs(region, letter)) continue
        const pair = await this.status(region, letter).catch(() => null)
        // Who was stopped believes so until it hears of the other one, but has no lease.
        if (pair?.role === 'owner' && pair.link === 'paired' && pair.leaseMs !== 0) return letter
      }

      await sleep(POLL_MS)

      if (Date.now() > deadline) throw new OverlayError('DEADLINE_EXCEEDED', `the ${region} pair is not paired`)
    }
  }

  /** Which of the two owns the addresses now. @throws OverlayError NOT_PAIRED when neither does */
  async owner(region: Region): Promise<Letter> {
    const letters = LETTERS.filter((letter) => this.runs(region, letter))
    const pairs = await Promise.allSettled(letters.map((letter) => this.status(region, letter)))
    for (const [index, result] of pairs.entries()) {
      if (result.status === 'fulfilled' && result.value.role === 'owner' && result.value.leaseMs !== 0)
        return letters[index]
    }

    throw new OverlayError('NOT_PAIRED', `nobody owns the addresses of the ${region} pair`)
  }

  /** The epoch of each pair. */
  async epochs(): Promise<number[]> {
    const epochs: number[] = []
    for (const region of this.options.pairs) {
      epochs.push((await this.status(region, await this.owner(region))).epoch)
    }

    return epochs
  }

  /** Where a file of this stage may lie; gone with it. */
  file(name: string): string {
    return join(this.#directory, name)
  }

  /** The control processes of all relays that run, by host. */
  get relays(): Map<string, number> {
    return new Map(
      [...this.#members].flatMap(([host, {pid, child}]) =>
        child.exitCode === null && child.signalCode === null ? [[host, pid] as const] : [],
      ),
    )
  }

  /** Whether a member has been started and has not ended. */
  runs(region: Region, letter: Letter): boolean {
    const child = this.#members.get(`${region}-${letter}`)?.child
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  /**
   * Sends a signal to the processes of a member: the supervisor first, which could otherwise start another relay.
   *
   * @param relayOnly to its relay process alone
   * @returns how many processes it reached
   */
  signal(region: Region, letter: Letter, signal: NodeJS.Signals, relayOnly = false): number {
    const pid = this.#members.get(`${region}-${letter}`)?.child.pid
    if (pid === undefined || !this.runs(region, letter)) return 0
    const relays = descendants(pid)
    const targets = relayOnly ? relays : [pid, ...relays]
    for (const each of targets) process.kill(each, signal)
    return targets.length
  }

  #giveDisks(): void {
    for (const region of this.options.pairs) {
      for (const letter of LETTERS) {
        const host = `${region}-${letter}`
        this.#disks.set(host, SmallDisk.mount(join(this.lab.host(host).runDir, region)))
      }
    }
  }

  get #ports(): {service: number; origin: number}[] {
    return Array.from({length: this.options.services ?? SERVICE_PORTS.length}, (_, index) => servicePorts(index))
  }

  #edge(letter?: Letter): string {
    const services = this.#ports.map(({service, origin}) => {
      const listen = this.#endpoint(1, letter === undefined ? 21 : 20, service)
      const target = this.#endpoint(3, 21, origin)
      return `    - {name: service-${service}, listen: "${listen}", origin: "${target}", gateways: ["${this.#middle}"]}`
    })
    return [
      'edge:',
      `  keyFile: ${this.#keys}`,
      `  zeroRtt: ${this.options.zeroRtt ?? true}`,
      '  services:',
      ...services,
      ...(letter === undefined
        ? []
        : this.#pair('edge', letter, [1, 20, letter === 'a' ? 22 : 21], [2, 10, letter === 'a' ? 12 : 11])),
    ].join('\n')
  }

  #gateway(letter?: Letter): string {
    return [
      'gateway:',
      `  keyFile: ${this.#keys}`,
      `  zeroRtt: ${this.options.zeroRtt ?? true}`,
      `  listen: "${this.#middle}"`,
      `  allowOrigins: [${this.#ports.map(({origin}) => `"${this.#endpoint(3, 21, origin)}"`).join(', ')}]`,
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
      ...(this.options.journalLimit === undefined ? [] : [`    journalLimit: ${this.options.journalLimit}`]),
      ...(this.options.lease === undefined ? [] : [`    lease: ${this.options.lease}ms`]),
      ...(this.options.takeover === undefined ? [] : [`    takeover: ${this.options.takeover}ms`]),
      ...(this.etcd === null
        ? []
        : [`    coordination: {etcd: {endpoints: ["${this.etcd.endpoint}"], name: ${region}, ttl: ${ETCD_TTL}}}`]),
      '    virtualAddresses:',
      ...places.map(
        ([net, virtual, peer]) =>
          `      - {address: "${this.address(net, virtual)}/${prefix}", peer: "${this.address(net, peer)}"}`,
      ),
    ]
  }

  /** An address of a lab's network. */
  address(network: number, host: number): string {
    return this.options.family === 'ipv4' ? `10.77.${network}.${host}` : `fd77:${network}::${host}`
  }

  #endpoint(network: number, host: number, port: number): string {
    const address = this.address(network, host)
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
