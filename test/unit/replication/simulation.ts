import {Standing, staticCoordinator, type Coordinator} from '../../../src/lib/replication/ownership.js'
import {DEFAULT_SETTINGS, type ReplicationSettings} from '../../../src/lib/replication/settings.js'
import type {Direction} from '../../../src/lib/wire/replication-frame.js'
import {SimulatedEtcd, type EtcdWorld} from './etcd.js'
import {Host, type Sabotage, type World} from './host.js'
import {Peer, type Segment} from './peer.js'
import {Random} from './random.js'

export interface SimulationOptions {
  readonly seed: number
  /** Steps of STEP_MS with faults; then faults end and every flow must finish within LIVENESS_STEPS. */
  readonly steps: number
  readonly sabotage?: Sabotage
  readonly coordinator?: Coordinator
  /** etcd decides, not the two between themselves. */
  readonly etcd?: boolean
}

export interface SimulationResult {
  readonly takeovers: number
  /** Those with at least one flow to carry on. */
  readonly withFlows: number
  readonly faults: number
  readonly started: number
  readonly completed: number
  /** Lost with the only server that held them: alone at its death, or both dead. */
  readonly excused: number
}

const STEP_MS = 4
const LIVENESS_STEPS = 6000
const FLOWS_AT_ONCE = 5

interface Client {
  readonly peer: Peer
  origin: Peer | null
  connection: number
  excused: boolean
  readonly allowed: [number, number]
}

type LinkItem = {at: number; what: Buffer | 'end' | 'reset' | {standing: Standing; epoch: number; random: Buffer}}

/** A violation of safety or liveness; its message has the seed. */
export class Violation extends Error {}

/** Two servers, their link, clients and an origin, faults drawn from the seed. Throws {@link Violation}. */
class Simulation implements EtcdWorld, World {
  readonly etcd = new SimulatedEtcd(this)
  readonly sabotage: Sabotage
  readonly random: Random
  readonly hosts: (Host | null)[] = [null, null]
  readonly disks = [{epoch: 0}, {epoch: 0}]
  readonly offsets: number[]
  readonly settings: ReplicationSettings
  /** What travels to host i, and whether it is cut. */
  readonly queues: [LinkItem[], LinkItem[]] = [[], []]
  readonly cut = [false, false]
  readonly linked = [false, false]
  readonly ownRandom = [Buffer.alloc(16), Buffer.alloc(16)]
  /** Clients whose flows each host's backup held last. */
  readonly lastHeld: number[][] = [[], []]
  readonly clients = new Map<number, Client>()
  packets: {at: number; deliver: () => void}[] = []
  time = 0
  delay = 1
  loss = 0
  address = 0
  faults = 0
  takeovers = 0
  withFlows = 0
  completed = 0
  excused = 0
  nextClient = 1
  nextConnection = 1

  constructor(readonly options: SimulationOptions) {
    this.sabotage = options.sabotage ?? {}
    this.random = new Random(options.seed)
    this.offsets = [this.random.between(0, 1e9), this.random.between(0, 1e9)]
    this.settings = {
      ...DEFAULT_SETTINGS,
      onBackupLoss: this.random.chance(0.7) ? 'solo' : 'stall',
      maxOutstanding: this.random.between(4000, 40_000),
      maxHeld: this.random.between(8000, 60_000),
      journalBytes: this.random.chance(0.3) ? this.random.between(30_000, 60_000) : 1_000_000,
      snapshotBytes: this.random.between(500, 10_000),
    }
  }

  // What hosts ask.

  clock(host: number): number {
    return this.time + this.offsets[host]
  }

  transmit(host: number, bytes: Buffer): void {
    this.queues[1 - host].push({at: this.time + this.delay, what: bytes})
  }

  close(host: number, how: 'end' | 'reset'): void {
    this.linked[host] = false
    if (how === 'end' && this.mustExcuseLeaver(host)) this.excuse(host)
    this.queues[1 - host].push({at: this.time + this.delay, what: how})
    this.queues[host].length = 0
  }

  tookOver(host: number): void {
    this.takeovers++
    if (this.hosts[host]?.member.backup.held?.flows.size) this.withFlows++
    this.address = host
  }

  gateOpened(host: number, client: number, direction: Direction, offset: number): void {
    if (!this.hosts[host]?.member.primary?.solo) return
    const allowed = this.clients.get(client)?.allowed
    if (allowed !== undefined) allowed[direction] = Math.max(allowed[direction], offset)
  }

  dial(host: number, client: number): number {
    const connection = this.nextConnection++
    this.later(() => {
      const flow = this.clients.get(client)
      if (flow === undefined || flow.connection > connection || this.hosts[host] === null) return
      if (this.hosts[host]?.flowOf(client)?.connection !== connection) return
      if (flow.origin !== null && flow.origin.taken > 0 && !flow.excused) {
        this.fail(`client ${client}: dialled anew after bytes had gone upstream`)
      }

      flow.connection = connection
      flow.origin ??= new Peer(client * 2 + 1, client * 2, this.random.between(0, 12_000))
      flow.origin.una = 0
      this.hosts[host]?.connected(client, connection)
    }, 0)
    return connection
  }

  toPeer(client: number, connection: number, direction: Direction, segment: Segment): void {
    const flow = this.clients.get(client)
    if (flow === undefined || flow.excused) {
      for (const host of this.hosts) if (host !== null) this.later(() => host.peerReset(client))
      return
    }

    const back = 1 - direction
    if (segment.ack > flow.allowed[back]) {
      this.fail(`client ${client}: ${segment.ack} acknowledged of direction ${back}, ${flow.allowed[back]} are held`)
    }

    this.later(() => {
      const peer = direction === 0 ? (flow.connection === connection ? flow.origin : null) : flow.peer
      if (peer === null || flow.excused) return
      const source = direction === 0 ? flow.peer : (flow.origin as Peer)
      const wrong = peer.take(segment, source?.length ?? 0)
      if (wrong !== null) this.fail(`client ${client}, direction ${direction}: ${wrong}`)
    })
  }

  reset(client: number, direction: Direction): void {
    this.later(() => {
      const flow = this.clients.get(client)
      if (flow === undefined || flow.excused || flow.peer.over) return
      const {peer, origin} = flow
      // Both have everything, and only the acknowledgement of a FIN was lost: an RST in LAST-ACK harms nobody.
      if (peer.takenFin && origin?.takenFin) {
        peer.una = peer.length + 1
        origin.una = origin.length + 1
        // An origin's connection that nobody knows was dialled by an owner that died before the flow was held.
      } else if (direction === 0)
        this.fail(`client ${client} was reset: ${peer.una}/${peer.length + 1} acknowledged, taken ${peer.taken}`)
    })
  }

  // The run.

  run(): SimulationResult {
    for (const index of [0, 1]) this.start(index)
    for (let step = 0; step < this.options.steps; step++) {
      this.fault()
      this.step(true)
    }

    this.heal()
    for (let step = 0; step < LIVENESS_STEPS && (this.clients.size > 0 || !this.paired()); step++) this.step(false)
    if (this.clients.size > 0) {
      const [[id, {peer, origin}]] = this.clients
      const states = this.hosts.map((host) => {
        const primary = host?.member.primary
        return `${host?.member.standing}/${primary?.link ?? '-'}${primary?.paused ? ' paused' : ''}`
      })
      this.fail(
        `liveness: ${this.clients.size} flows do not finish; client ${id}: ${peer.una}/${peer.length + 1} acknowledged, ` +
          `${peer.taken} taken, origin ${origin?.una}/${(origin?.length ?? 0) + 1}, ${origin?.taken}; hosts ${states.join(' ')}`,
      )
    }

    if (!this.paired()) this.fail('liveness: the servers do not pair')
    const {takeovers, withFlows, faults, completed, excused} = this
    return {takeovers, withFlows, faults, started: this.nextClient - 1, completed, excused}
  }

  paired(): boolean {
    return this.hosts.some((host) => host?.member.primary?.link === 'paired')
  }

  after(ms: number, act: () => void): void {
    this.packets.push({at: this.time + ms, deliver: act})
  }

  lives(index: number, coordinator: Coordinator): boolean {
    return this.hosts[index]?.member.coordinator === coordinator
  }

  stopped(index: number): boolean {
    return this.hosts[index]?.paused ?? true
  }

  certainUntil(index: number, until: number): void {
    const host = this.hosts[index]
    if (host !== null && !host.paused) host.member.certainUntil(until)
  }

  start(index: number): void {
    const coordinator = this.options.etcd ? this.etcd.member(index) : (this.options.coordinator ?? staticCoordinator)
    this.hosts[index] = new Host(index, this, this.settings, coordinator, this.disks[index])
    if (this.options.etcd) this.hosts[index].member.certainUntil(Number.NEGATIVE_INFINITY)
  }

  step(open: boolean): void {
    this.time += STEP_MS
    if (open && this.clients.size < FLOWS_AT_ONCE && this.random.chance(0.3)) this.openClient()
    this.connectLink()
    for (const index of [0, 1]) this.deliverLink(index)
    for (const host of this.hosts) {
      if (host === null || host.paused) continue
      host.member.tick(host.now)
      this.observe()
    }

    const due = this.packets.filter(({at}) => at <= this.time)
    this.packets = this.packets.filter(({at}) => at > this.time)
    for (const {deliver} of due) deliver()
    for (const host of this.hosts) if (host !== null && !host.paused && this.random.chance(0.4)) host.transmit()
    for (const [client, flow] of this.clients) this.peerTurn(client, flow)
    this.checkOwners()
  }

  openClient(): void {
    const client = this.nextClient++
    const peer = new Peer(client * 2, client * 2 + 1, this.random.chance(0.1) ? 0 : this.random.between(1, 20_000))
    this.clients.set(client, {peer, origin: null, connection: 0, excused: false, allowed: [0, 0]})
  }

  peerTurn(client: number, flow: Client): void {
    const {peer, origin, connection} = flow
    if (flow.excused) {
      this.clients.delete(client)
      this.excused++
      return
    }

    if (peer.finished && origin?.finished) {
      peer.over = true
      this.clients.delete(client)
      this.completed++
      return
    }

    if (this.random.chance(0.02)) peer.busy = this.random.chance(0.3)
    if (this.random.chance(0.4)) this.toAddress(client, connection, 0, peer.segment())
    if (origin !== null && this.random.chance(0.4)) this.toAddress(client, connection, 1, origin.segment())
  }

  toAddress(client: number, connection: number, direction: Direction, segment: Segment): void {
    this.later(() => {
      const host = this.hosts[this.address]
      if (host !== null && !host.paused && this.clients.has(client))
        host.receive(client, connection, direction, segment)
    })
  }

  later(deliver: () => void, loss = this.loss): void {
    if (this.random.chance(loss)) return
    this.packets.push({at: this.time + this.random.between(1, 12), deliver})
  }

  connectLink(): void {
    if (this.cut[0] || this.cut[1] || (this.linked[0] && this.linked[1])) return
    if (this.hosts.some((host) => host === null || host.paused) || !this.random.chance(0.1)) return
    for (const index of [0, 1]) {
      const {member} = this.hosts[index] as Host
      for (let i = 0; i < 16; i++) this.ownRandom[index][i] = this.random.between(0, 255)
      const hello = {standing: member.standing, epoch: member.epoch, random: Buffer.from(this.ownRandom[index])}
      this.queues[1 - index] = [{at: this.time + this.delay, what: hello}]
      this.linked[index] = true
    }

    for (const host of this.hosts as Host[]) host.member.linkLost('reset', host.now)
  }

  deliverLink(index: number): void {
    const host = this.hosts[index]
    if (host === null || host.paused || this.cut[index]) return
    const queue = this.queues[index]
    while (queue.length > 0 && queue[0].at <= this.time && this.linked[index]) {
      const {what} = queue.shift() as LinkItem
      if (Buffer.isBuffer(what)) {
        const middle = this.random.between(0, what.length)
        host.parser.push(what, 0, middle)
        if (this.linked[index]) host.parser.push(what, middle)
      } else if (typeof what === 'string') {
        this.linked[index] = false
        host.member.linkLost(what === 'end' ? 'ended' : 'reset', host.now)
      } else {
        host.parser = host.newParser()
        host.member.linkUp(this.ownRandom[index], what, host.now)
      }

      if (this.random.chance(0.5)) host.member.flush()
      this.observe()
    }

    host.member.flush()
  }

  // Faults.

  fault(): void {
    const {random} = this
    if (!random.chance(0.02)) return
    this.faults++
    const index = random.between(0, 1)
    const host = this.hosts[index]
    switch (random.between(0, this.options.etcd ? 13 : 11)) {
      case 0:
      case 1: {
        this.crash(index)
        if (random.chance(0.1)) this.crash(1 - index)
        break
      }

      case 2:
      case 3: {
        for (const each of [0, 1]) if (this.hosts[each] === null) this.start(each)
        break
      }

      case 4: {
        if (host !== null) host.paused = true
        break
      }

      case 5: {
        for (const each of this.hosts) if (each !== null) each.paused = false
        break
      }

      case 6: {
        this.cut[index] = true
        if (random.chance(0.5)) this.cut[1 - index] = true
        break
      }

      case 7: {
        this.cut.fill(false)
        break
      }

      case 8: {
        // Each side's kernel gives the link up by itself, also while it is cut.
        for (const each of [0, 1]) if (random.chance(0.7)) this.giveUp(each)
        break
      }

      case 9: {
        this.delay = random.between(0, 30)
        this.loss = random.chance(0.5) ? 0 : random.next() * 0.3
        break
      }

      case 10: {
        this.offsets[index] += random.between(1, 3_600_000)
        break
      }

      case 12: {
        this.etcd.reachable[index] = false
        if (random.chance(0.5)) this.etcd.reachable[1 - index] = false
        break
      }

      case 13: {
        this.etcd.reachable.fill(true)
        break
      }

      default: {
        if (host !== null && !host.paused && host.member.primary?.link === 'paired') host.member.handOver(host.now)
      }
    }
  }

  giveUp(index: number): void {
    const host = this.hosts[index]
    if (!this.linked[index] || host === null || host.paused) return
    this.linked[index] = false
    this.queues[index].length = 0
    this.queues[1 - index].push({at: this.time + this.delay, what: 'reset'})
    host.member.linkLost('reset', host.now)
  }

  /** kill -9: the kernel closes the link. */
  crash(index: number): void {
    if (this.hosts[index] === null) return
    if (this.mustExcuse(index)) this.excuse(index)
    if (this.linked[index]) this.queues[1 - index].push({at: this.time + this.delay, what: 'end'})
    this.hosts[index] = null
    this.linked[index] = false
    this.queues[index].length = 0
  }

  /** Whether nobody else holds what this host holds. */
  mustExcuse(index: number): boolean {
    const {primary, backup, epoch} = (this.hosts[index] as Host).member
    const other = this.hosts[1 - index]?.member
    // It has asked to be alone: what its backup holds is old, though it does not know of the answer.
    if (primary !== null && this.options.etcd && this.etcd.record?.epoch !== epoch) return true
    if (primary !== null) return !(other?.backup.synchronised && other.epoch === epoch && !primary.lease.alone)
    return backup.synchronised && !(other?.primary && other.epoch === epoch)
  }

  mustExcuseLeaver(index: number): boolean {
    const other = this.hosts[1 - index]?.member
    return !(other?.primary && other.epoch === this.hosts[index]?.member.epoch)
  }

  excuse(index: number): void {
    const host = this.hosts[index] as Host
    const held = [...(host.member.backup.held?.flows.values() ?? [])].map(({near}) => near.remote.port)
    // A leaver has dropped its journals by now.
    if (host.member.primary === null) held.push(...this.lastHeld[index])
    const live = [...host.flows.values()].map(({client}) => client)
    const closed = [...this.clients.keys()].filter((client) => host.closedClients.has(client))
    for (const client of [...held, ...live, ...closed]) {
      const flow = this.clients.get(client)
      if (flow !== undefined) flow.excused = true
    }
  }

  heal(): void {
    this.cut.fill(false)
    this.etcd.reachable.fill(true)
    this.delay = 1
    this.loss = 0
    for (const index of [0, 1]) {
      if (this.hosts[index] === null) this.start(index)
      ;(this.hosts[index] as Host).paused = false
    }

    for (const {peer} of this.clients.values()) peer.busy = false
  }

  // Checks.

  /** What the backups hold, after every step of theirs. */
  observe(): void {
    for (const host of this.hosts) {
      const journal = host?.member.backup.held
      if (host && journal) this.lastHeld[host.index] = [...journal.flows.values()].map(({near}) => near.remote.port)
      for (const flow of host?.member.backup.held?.flows.values() ?? []) {
        const client = this.clients.get(flow.near.remote.port)
        if (client === undefined) continue
        for (const direction of [0, 1] as const) {
          client.allowed[direction] = Math.max(client.allowed[direction], flow.streams[direction].held)
        }
      }
    }
  }

  checkOwners(): void {
    if (this.hosts[0]?.speaks && this.hosts[1]?.speaks) this.fail('two owners speak at the same time')
  }

  fail(message: string): never {
    throw new Violation(`seed ${this.options.seed}, ${this.time} ms: ${message}`)
  }
}

/** Runs one seed. The same options give the same run. @throws Violation */
export function simulate(options: SimulationOptions): SimulationResult {
  return new Simulation(options).run()
}
