import {Permit, type GatedKey} from '../gate/gate-maps.js'
import type {Kicker} from '../gate/kicker.js'
import type {PairDatapath} from '../gate/pair-datapath.js'
import {EADDRNOTAVAIL} from '../kernel/errno.js'
import {readLeg, type LegState} from '../kernel/leg-state.js'
import {sys, type Memory} from '../kernel/libc.js'
import type {Pipe} from '../kernel/pipe.js'
import {localName, socketNames} from '../kernel/socket-names.js'
import {closeSilently} from '../kernel/tcp-repair.js'
import {bindAddressNoPort, setLocalPortRange} from '../kernel/tcp-socket.js'
import type {Connection, Side} from '../relay/connection.js'
import type {RateLimitedLog} from '../relay/rate-limited-log.js'
import type {PairRelay, Replicator} from '../relay/replicator.js'
import type {Pending, Primary, Unread} from '../replication/primary.js'
import {formatAddress} from '../wire/endpoint.js'
import type {FarLeg} from '../wire/far-leg.js'
import type {RawEndpoint} from '../wire/leg-record.js'
import type {Direction} from '../wire/replication-frame.js'
import {gatedKeyOf, PairFlow, type PairLeg} from './pair-flow.js'
import type {ReplicationLink} from './replication-link.js'
import {acknowledgedOf, SocketQueues} from './socket-queues.js'
import type {SourceAddresses} from './source-addresses.js'

/** Entries of a flow stay for so long after its end, ms: its last acknowledgement may have to be said again. */
const FORGET_AFTER_MS = 3000

/** After so many spliced bytes the far peer's acknowledgements are looked at: what it has need not fill the backup's caches. */
const SAMPLE_BYTES = 1_048_576

/** The far leg's address is not known yet. */
const NO_ENDPOINT: RawEndpoint = {address: Buffer.alloc(16), port: 0}

/** What a connection that nobody replicates may say, also when this server is fenced. */
const UNREPLICATED = Permit.Ungated | Permit.Fin | Permit.AnyFin | Permit.Rst | Permit.Fenced

const DIRECTIONS: readonly Direction[] = [0, 1]

/** What the replicator must know of the server that it is part of. */
export interface ReplicatorHost {
  /** Null while this server does not own the address. */
  readonly primary: Primary | null
  /** ms, CLOCK_BOOTTIME. */
  readonly now: number
  /** The datapath gates nothing. */
  readonly ungated: boolean
  readonly link: Pick<ReplicationLink, 'pipes' | 'place' | 'placeAt'>
  /** Something is to be sent at the end of this turn. */
  wake(): void
  /** @returns false when there is no backup that holds everything */
  handOver(): boolean
}

interface Forgotten {
  readonly key: GatedKey
  readonly at: number
}

/** The connections of this server's relay on one side, the owner's flows on the other: bytes, gates, ends. */
export class FlowReplicator implements Replicator {
  paused = false
  /** Reading may go on, and the relay is to be told at the end of this turn. */
  resumed = false
  readonly flows = new Map<number, PairFlow>()
  /** Connections that could not be replicated, and were closed. */
  failed = 0
  /** By the connection's name, in the order of their ends. */
  readonly #forgotten = new Map<string, Forgotten>()
  readonly #queues = new SocketQueues()
  /** Legs of which more may be acknowledged since the last turn. */
  readonly #gated: PairLeg[] = []
  #dialled: PairFlow | null = null
  /** For a copy of what is spliced next. */
  #copy: Pipe | null = null
  #repeat = false

  constructor(
    private readonly host: ReplicatorHost,
    private readonly relay: PairRelay,
    private readonly datapath: PairDatapath,
    private readonly kicker: Kicker,
    private readonly sources: SourceAddresses,
    private readonly ports: readonly [number, number],
    private readonly log: RateLimitedLog,
  ) {}

  // What the relay asks and tells.

  get fenced(): boolean {
    const {primary, now} = this.host
    return primary !== null && !primary.speaks(now)
  }

  open(connection: Connection): boolean {
    const {primary, now} = this.host
    if (primary === null) return false
    try {
      const near = this.#openLeg(connection.near.fd)
      const {far} = connection
      const dialFrom = far.fd < 0 ? NO_ENDPOINT : localName(far.fd)
      const id = primary.open(near.record, dialFrom, NO_ENDPOINT, now)
      const flow = new PairFlow(id, connection, near.record)
      this.flows.set(id, flow)
      connection.flow = flow
      if (primary.flows.get(id)?.speaks) this.speak(id)
      this.host.wake()
      return true
    } catch (error) {
      this.#note(error)
      return false
    }
  }

  bindFar(fd: number, remote: Buffer): number {
    const source = this.sources.towards(remote)
    if (source === null) {
      this.log.error('no-source', () => `no virtual address is in the network that leads to ${formatAddress(remote)}`)
      return EADDRNOTAVAIL
    }

    setLocalPortRange(fd, this.ports[0], this.ports[1])
    return bindAddressNoPort(fd, source)
  }

  dialled(connection: Connection, skips: FarLeg['skips'], heads: FarLeg['heads']): boolean {
    const flow = connection.flow as PairFlow
    try {
      const {record} = this.#openLeg(connection.far.fd)
      const far = {record, skips, heads}
      flow.setFar(far)
      this.#dialled = flow
      this.host.primary!.dialled(flow.id, far, this.host.now)
      this.#dialled = null
      this.host.wake()
      return true
    } catch (error) {
      this.#dialled = null
      this.#note(error)
      return false
    }
  }

  redial(connection: Connection): void {
    const flow = connection.flow as PairFlow
    flow.ready = false
    this.host.primary!.redial(flow.id)
    if (flow.far === null) return
    this.datapath.permit(flow.far.key, UNREPLICATED)
    this.#forgetLater(flow.far.key)
    flow.far = null
  }

  place(length: number): Memory | null {
    return this.host.link.place(length)
  }

  get placeAt(): number {
    return this.host.link.placeAt
  }

  received(from: Side, bytes: Buffer, start: number, end: number): void {
    const {connection} = from
    const {id} = connection.flow as PairFlow
    this.host.primary!.received(id, from === connection.near ? 0 : 1, bytes, start, end)
    this.host.wake()
  }

  get takesPipes(): boolean {
    this.#copy ??= this.host.link.pipes.take()
    return this.#copy !== null
  }

  spliced(from: Side): boolean {
    const {connection} = from
    const flow = connection.flow as PairFlow
    const {id} = flow
    const {primary} = this.host
    const pipe = from.pipe!
    const direction = from === connection.near ? 0 : 1
    if (!primary!.flows.get(id)?.told) {
      primary!.received(id, direction, pipe)
      return true
    }

    const copy = this.#copy!
    this.#copy = null
    if (!copy.copy(pipe)) {
      this.host.link.pipes.give(copy)
      return false
    }

    primary!.received(id, direction, copy)
    flow.unsampled += copy.length
    if (flow.unsampled >= SAMPLE_BYTES) this.#sample(primary!, flow)
    this.host.wake()
    return true
  }

  ended(from: Side): void {
    const {connection} = from
    const {id} = connection.flow as PairFlow
    this.host.primary!.ended(id, from === connection.near ? 0 : 1)
    this.host.wake()
  }

  permitFin(from: Side): void {
    const {connection} = from
    const flow = connection.flow as PairFlow
    const sink = from === connection.near ? flow.far : flow.near
    if (sink !== null) this.datapath.permit(sink.key, Permit.Fin, (sink.sendOrigin + from.received) >>> 0)
  }

  abort(connection: Connection): void {
    const flow = connection.flow as PairFlow
    for (const leg of [flow.near, flow.far]) if (leg !== null) this.datapath.permit(leg.key, Permit.Rst)
    const {primary} = this.host
    if (primary?.flows.has(flow.id)) {
      primary.abort(flow.id)
      this.host.wake()
    }
  }

  forget(connection: Connection): void {
    const flow = connection.flow as PairFlow
    this.flows.delete(flow.id)
    this.#forgetLater(flow.near.key)
    if (flow.far !== null) this.#forgetLater(flow.far.key)
  }

  permitUnreplicated(fd: number): void {
    const {local, remote} = socketNames(fd)
    const key = gatedKeyOf(local, remote)
    this.datapath.permit(key, UNREPLICATED)
    this.#forgetLater(key)
  }

  discard(fd: number): void {
    try {
      closeSilently(fd)
    } catch {
      // Not connected yet, or no more: the gate holds back what its end would say.
      sys.close(fd)
    }
  }

  handOver(): boolean {
    return this.host.handOver()
  }

  // What the owner asks.

  gate(id: number, direction: Direction, offset: number): void {
    if (this.host.ungated) return
    const leg = this.flows.get(id)?.source(direction)
    if (!leg) return
    if (leg.gateToSay === null) this.#gated.push(leg)
    leg.gateToSay = offset
    this.host.wake()
  }

  speak(id: number): void {
    this.#kick(this.flows.get(id)?.near ?? null, 0)
  }

  ready(id: number): void {
    const flow = this.flows.get(id)
    if (flow === undefined || flow.ready) return
    flow.ready = true
    if (flow !== this.#dialled) this.relay.flowReady(flow.connection)
  }

  closed(id: number): void {
    const flow = this.flows.get(id)
    if (flow !== undefined) this.relay.flowClosed(flow.connection)
  }

  pauseReading(paused: boolean): void {
    this.paused = paused
    this.resumed = !paused
    this.host.wake()
  }

  pending(id: number, direction: Direction): Pending {
    const flow = this.flows.get(id)
    // A flow that is opened in this very moment: nothing was read of it.
    if (flow === undefined) return {from: 0, parts: []}
    const {connection} = flow
    if (!flow.farOpen) {
      const bytes = direction === 0 ? this.relay.openingBytes(connection) : null
      return {from: 0, parts: bytes !== null && bytes.length > 0 ? [bytes] : []}
    }

    return this.#queues.pending(direction === 0 ? connection.near : connection.far, direction)
  }

  unread(id: number, direction: Direction): Unread | null {
    const flow = this.flows.get(id)
    if (flow === undefined || (direction === 1 && !flow.farOpen)) return null
    return this.#queues.unread(direction === 0 ? flow.connection.near : flow.connection.far, direction)
  }

  /** Says what may be acknowledged: at the end of a turn, once for each leg, however many frames it came in. */
  sayGates(): void {
    for (const leg of this.#gated) {
      this.#kick(leg, leg.gateToSay as number)
      leg.gateToSay = null
    }

    this.#gated.length = 0
  }

  // By the clock.

  /** Tells the owner what the far peers have acknowledged. */
  sample(): void {
    const {primary} = this.host
    if (primary === null) return
    for (const flow of this.flows.values()) this.#sample(primary, flow)
  }

  /** Forgets what ended a while ago. */
  expire(): void {
    const before = this.host.now - FORGET_AFTER_MS
    for (const [name, {key, at}] of this.#forgotten) {
      if (at > before) return
      this.#forgotten.delete(name)
      this.datapath.forget(key)
    }
  }

  /**
   * Says of all connections what may be acknowledged.
   *
   * @param repeat also what was said before: after a takeover peers may have missed it, or wait for a word
   */
  kickAll(repeat: boolean): void {
    const {primary} = this.host
    if (primary === null) return
    this.#repeat = repeat
    for (const flow of this.flows.values()) {
      const known = primary.flows.get(flow.id)
      // A kick lets a connection speak: not before the backup has its record.
      if (!known?.speaks) continue
      for (const direction of DIRECTIONS) this.#kick(flow.source(direction), known.streams[direction].gate)
    }

    this.#repeat = false
  }

  /** The address is another's: nothing of this is ours any more. */
  standDown(): void {
    this.relay.dropAll((fd) => this.discard(fd))
    this.flows.clear()
    this.#gated.length = 0
    this.#forgotten.clear()
    this.paused = false
    this.resumed = false
    this.relay.resumeAccepting()
  }

  #sample(primary: Primary, flow: PairFlow): void {
    flow.unsampled = 0
    // What may have to be sent to another gateway is not acknowledged before one has accepted.
    if (!flow.farOpen) return
    for (const direction of DIRECTIONS) {
      const known = primary.flows.get(flow.id)
      if (known === undefined || known.kept === 0) return
      const from = direction === 0 ? flow.connection.near : flow.connection.far
      const acknowledged = acknowledgedOf(from)
      if (acknowledged > known.streams[direction].acknowledged) {
        primary.acknowledged(flow.id, direction, acknowledged)
      }
    }
  }

  #kick(leg: PairLeg | null, offset: number): void {
    if (leg === null) return
    leg.kick.aim(leg.receiveOrigin + offset, this.#repeat)
    this.kicker.send(leg.kick)
  }

  #openLeg(fd: number): LegState {
    const state = readLeg(fd)
    const {local, remote} = state.record
    const key = gatedKeyOf(local, remote)
    // The same addresses and ports as of a connection that has just ended.
    this.#forgotten.delete(nameOf(key))
    this.datapath.openFlow(key, state)
    return state
  }

  #forgetLater(key: GatedKey): void {
    const name = nameOf(key)
    this.#forgotten.delete(name)
    this.#forgotten.set(name, {key, at: this.host.now})
  }

  #note(error: unknown): void {
    this.failed++
    this.log.warning('not-replicated', () => `a connection cannot be replicated: ${(error as Error).message}`)
  }
}

const nameOf = ({local, remote}: GatedKey): string => `${local.address} ${local.port} ${remote.address} ${remote.port}`
