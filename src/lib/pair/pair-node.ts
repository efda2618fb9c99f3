import {bootTimeMs} from '../kernel/boot-time.js'
import {Kicker} from '../gate/kicker.js'
import type {PairDatapath} from '../gate/pair-datapath.js'
import type {Pipe} from '../kernel/pipe.js'
import {RawPacketSender} from '../kernel/raw-packet.js'
import {Pollable, type EpollLoop} from '../relay/epoll-loop.js'
import {PipePool} from '../relay/pipe-pool.js'
import type {RateLimitedLog} from '../relay/rate-limited-log.js'
import type {PairRelay, Replicator} from '../relay/replicator.js'
import {Timer} from '../relay/timer-wheel.js'
import type {Payload, TakeoverFlow} from '../replication/backup.js'
import type {LinkKeys} from '../replication/link-setup.js'
import {PairMember, type MemberOutput} from '../replication/member.js'
import type {Coordinator, Evidence, Member} from '../replication/ownership.js'
import type {Pending, Primary, Unread} from '../replication/primary.js'
import {FrameType, type Direction, type FrameHeader} from '../wire/replication-frame.js'
import {Aftermath} from './aftermath.js'
import type {EpochFile} from './epoch-file.js'
import {FlowReplicator, type ReplicatorHost} from './flow-replicator.js'
import {PORT_RANGES, type PairConfig} from './pair-config.js'
import {PairFlow} from './pair-flow.js'
import {pairStatus, type PairStatus} from './pair-status.js'
import {ReplicationLink, type ReplicationLinkOwner} from './replication-link.js'
import {SourceAddresses} from './source-addresses.js'
import {OwedFins, restoreFlows, wake, type RestoredFlow} from './takeover.js'
import type {VirtualAddresses} from './virtual-addresses.js'

/** How often clocks are looked at, ms; the loop's timers are no finer. */
const TICK_MS = 10

/** Two clocks may differ by so much: a SYN/ACK's time bucket has 64 s, and those beside it count too. */
const CLOCK_TOLERANCE_S = 2

/** A link on which nothing was heard for so many times `takeoverMs` is dead, whatever the kernel thinks. */
const LINK_SILENCE = 3

/** So many lives of the owner's lease: questions that the owner was asking are over by then. */
const CLAIM_AFTER_TTLS = 2

/** A server that may not claim the addresses yet asks again after so long, ms. */
const CLAIM_AGAIN_MS = 1000

export interface PairParts {
  readonly loop: EpollLoop
  readonly log: RateLimitedLog
  readonly config: PairConfig
  readonly keys: LinkKeys
  readonly relay: PairRelay
  readonly coordinator: Coordinator
  readonly datapath: PairDatapath
  readonly addresses: VirtualAddresses
  readonly epochs: EpochFile
}

/** What the last takeover came to, for status. */
export interface TakeoverReport {
  readonly evidence: Evidence | 'claim'
  readonly epoch: number
  readonly flows: number
  /** Those whose sockets could not be made here. */
  readonly lost: number
  /** From the decision to the first packet, ms. */
  readonly durationMs: number
}

/**
 * One server of a pair as its relay process runs it: the pure core (src/lib/replication) with a link, a datapath, the
 * addresses and the relay's connections around it.
 */
export class PairNode extends Pollable implements MemberOutput, ReplicationLinkOwner, ReplicatorHost {
  readonly member: PairMember
  readonly link: ReplicationLink
  readonly flows: FlowReplicator
  takeovers = 0
  lastTakeover: TakeoverReport | null = null
  /** As the datapath has it. */
  ungated = false
  /** How often its program had silenced this server though it is alive and owns the addresses. */
  fences = 0
  readonly #kicker = new Kicker()
  readonly #fins = new OwedFins(new RawPacketSender())
  readonly #timer: Timer
  #lease = Number.NaN
  #role = ''
  #restored: RestoredFlow[] = []
  #claimAt: number
  readonly #aftermath: Aftermath

  /** @throws OverlayError PRIVILEGE_MISSING without CAP_NET_RAW */
  constructor(private readonly parts: PairParts) {
    super()
    const {loop, log, config, keys, relay, coordinator, datapath, epochs} = parts
    this.#timer = new Timer(() => this.#tick())
    this.#claimAt = this.now + CLAIM_AFTER_TTLS * (config.etcd?.ttl ?? 0) * 1000
    const prefersPrimary = config.member === 'a'
    this.member = new PairMember(config.settings, coordinator, this, prefersPrimary, epochs.epoch, new PipePool())
    // Until etcd has said so, nobody is alone.
    if (config.etcd !== null) this.member.certainUntil(Number.NEGATIVE_INFINITY)
    this.link = new ReplicationLink(
      loop,
      log,
      this,
      config.peer,
      config.member === 'b',
      keys,
      config.settings.maxOutstanding,
      config.versions,
    )
    this.flows = new FlowReplicator(
      this,
      relay,
      datapath,
      this.#kicker,
      new SourceAddresses(config.virtualAddresses),
      PORT_RANGES[config.member],
      log,
    )
    this.#aftermath = new Aftermath(this.flows, datapath, this.#fins)
  }

  get replicator(): Replicator {
    return this.flows
  }

  get now(): number {
    return bootTimeMs()
  }

  get primary(): Primary | null {
    return this.member.primary
  }

  /** @param listener of the replication link, on the side that accepts */
  start(listener: number | null): void {
    const {loop, datapath, epochs, addresses} = this.parts
    addresses.remove()
    datapath.clear()
    if (listener !== null) this.link.listen(listener)
    // Whoever owned the address alone still does: nobody else can have been granted it.
    if (epochs.alone && epochs.epoch > 0) this.member.claim('recorded')
    loop.timers.arm(this.#timer, loop.now + TICK_MS)
    this.wake()
  }

  useKeys(keys: LinkKeys): void {
    this.link.useKeys(keys)
  }

  status(): PairStatus {
    return pairStatus(this, this.parts.config)
  }

  /** The operator says that the other server is gone for good, or was never there. @throws Error when it cannot be */
  claim(): void {
    this.member.claim('operator')
    this.wake()
  }

  /** @param until an owner may be alone, ms of CLOCK_BOOTTIME */
  certainUntil(until: number): void {
    this.member.certainUntil(until)
    this.wake()
  }

  wake(): void {
    this.parts.loop.soon(this)
  }

  handOver(): boolean {
    if (this.primary?.link !== 'paired') return false
    this.member.handOver(this.now)
    this.flows.pauseReading(true)
    this.wake()
    return true
  }

  /** For whoever asked for a hand-over in vain. */
  whyNoHandOver(): string {
    if (this.primary === null) return 'this server does not own the addresses; ask the one that does'
    return `no backup holds the connections: the replication link is ${this.primary.link}`
  }

  // The end of a turn.

  override onEvents(): void {}

  override onTurn(): void {
    this.#synchronise()
    this.flows.sayGates()
    this.link.flush()
    if (this.flows.resumed) {
      this.flows.resumed = false
      this.parts.relay.resumeReading()
    }
  }

  // What the link tells.

  hello(): Omit<Member, 'random'> {
    return {standing: this.member.standing, epoch: this.member.epoch}
  }

  linkUp(ownRandom: Buffer, remote: Member): void {
    this.member.linkUp(ownRandom, remote, this.now)
    this.wake()
  }

  linkLost(how: 'ended' | 'reset'): void {
    this.member.linkLost(how, this.now)
    this.wake()
  }

  frame(header: FrameHeader, payload: Buffer): void {
    this.member.frame(header, payload, this.now)
    if (header.type === FrameType.FLOW) this.parts.datapath.forgetSyn(payload)
    this.wake()
  }

  keep(header: FrameHeader): Pipe | null {
    return this.member.keep(header) as Pipe | null
  }

  put(header: FrameHeader): void {
    this.member.put(header, this.now)
  }

  data(header: FrameHeader, bytes: Buffer, start: number, end: number): void {
    this.member.data(header, bytes, start, end, this.now)
  }

  passed(): void {
    this.member.flush()
    this.wake()
  }

  opened(cookie: Buffer): void {
    this.parts.datapath.watchLinkSocket(cookie)
  }

  closing(cookie: Buffer): void {
    this.parts.datapath.forgetLinkSocket(cookie)
  }

  // What the member asks.

  send(header: FrameHeader, payload: Payload | null, start: number): void {
    this.link.send(header, payload, start)
  }

  closeLink(how: 'end' | 'reset'): void {
    this.link.close(how)
  }

  persist(epoch: number): void {
    const {epochs, datapath} = this.parts
    epochs.alone = false
    epochs.epoch = epoch
    datapath.noteNewerEpoch(epoch)
  }

  gate(flow: number, direction: Direction, offset: number): void {
    this.flows.gate(flow, direction, offset)
  }

  setupClock(): number {
    return (Math.floor(bootTimeMs() / 1000) + this.parts.datapath.clockOffset) >>> 0
  }

  followClock(seconds: number): void {
    const {datapath, log} = this.parts
    const off = (seconds - this.setupClock()) | 0
    if (Math.abs(off) <= CLOCK_TOLERANCE_S) return
    datapath.clockOffset += off
    log.warning('clock', () => `the owner's clock is ${off} s ahead of this server's; SYN/ACKs follow it`)
  }

  speak(flow: number): void {
    this.flows.speak(flow)
  }

  ready(flow: number): void {
    this.flows.ready(flow)
  }

  closed(flow: number): void {
    this.flows.closed(flow)
  }

  pauseReading(paused: boolean): void {
    this.flows.pauseReading(paused)
  }

  pending(flow: number, direction: Direction): Pending {
    return this.flows.pending(flow, direction)
  }

  unread(flow: number, direction: Direction): Unread | null {
    return this.flows.unread(flow, direction)
  }

  takeOver(plan: readonly TakeoverFlow[], evidence: Evidence | 'claim'): void {
    const {relay, datapath, addresses, log} = this.parts
    const started = performance.now()
    const {now} = this
    datapath.setRole({solo: false, owner: true})
    this.#role = ''
    this.ungated = false
    datapath.setLease(Number.POSITIVE_INFINITY, this.member.epoch)
    addresses.add()
    const restored = restoreFlows(plan, datapath, now, log)
    addresses.announce()
    wake(restored)
    this.#restored = restored.filter((flow) => this.#adopt(flow, relay))
    this.takeovers++
    this.#aftermath.begin(now)
    this.lastTakeover = {
      evidence,
      epoch: this.member.epoch,
      flows: this.#restored.length,
      lost: plan.length - this.#restored.length,
      durationMs: performance.now() - started,
    }
    const {flows, lost, durationMs} = this.lastTakeover
    log.warning(
      'takeover',
      () =>
        `took the addresses in epoch ${this.member.epoch} (${evidence}) with ${flows} connections` +
        `${lost > 0 ? `, ${lost} lost` : ''}, in ${durationMs.toFixed(1)} ms`,
    )
  }

  carryOn(): void {
    const {relay} = this.parts
    for (const {id} of this.#restored) {
      const flow = this.flows.flows.get(id)
      if (flow !== undefined) relay.carryOn(flow.connection)
    }

    // What cannot be carried on is over for the backup-to-be too.
    for (const id of this.primary?.flows.keys() ?? []) if (!this.flows.flows.has(id)) this.primary?.abort(id)
    this.#restored = []
    this.#fins.feed()
    this.flows.kickAll(true)
    this.wake()
  }

  standDown(): void {
    const {datapath, addresses, log} = this.parts
    datapath.setLease(Number.NEGATIVE_INFINITY, this.member.epoch)
    datapath.setRole({solo: false})
    this.#role = ''
    this.ungated = false
    this.#fins.clear()
    this.flows.standDown()
    addresses.remove()
    datapath.clearFlows()
    log.warning('stand-down', () => 'the addresses are the other server’s now; this one is its backup')
  }

  #adopt({id, adopted, legs}: RestoredFlow, relay: PairRelay): boolean {
    const connection = relay.adopt(adopted)
    if (connection === null) return false
    for (const [index, leg] of legs.entries()) {
      const side = index === 0 ? connection.near : connection.far
      const {generation} = side
      this.#fins.add(leg, () => side.fd === leg.fd && side.generation === generation)
    }

    const flow = new PairFlow(id, connection, adopted.near)
    if (adopted.far !== null) flow.setFar(adopted.far)
    flow.ready = adopted.far !== null
    connection.flow = flow
    this.flows.flows.set(id, flow)
    return true
  }

  #tick(): void {
    const {loop, config} = this.parts
    loop.timers.arm(this.#timer, loop.now + TICK_MS)
    this.flows.sample()
    const moves = this.primary === null && this.link.moved(config.settings.takeoverMs / 4)
    this.member.tick(this.now, moves)
    this.link.tick()
    this.flows.expire()
    if (this.link.isUp && loop.now - this.link.heardAt > LINK_SILENCE * config.settings.takeoverMs) {
      this.link.close('reset')
      this.linkLost('reset')
    }

    this.#healFence()
    if (this.primary !== null) this.#aftermath.tick(this.now)
    if (config.etcd !== null) this.#claimWhatIsNobodys(CLAIM_AFTER_TTLS * config.etcd.ttl * 1000)
    this.wake()
  }

  /**
   * The program takes a FIN or RST that nobody had consented to for the death of this process, and ends its lease. It is
   * alive: whatever that packet was, the addresses are not to be silent for it.
   */
  #healFence(): void {
    const {primary} = this
    const {datapath, log} = this.parts
    if (primary === null || !primary.speaks(this.now) || !datapath.fenced) return
    this.fences++
    log.error('fenced', () => 'a FIN or RST without consent had silenced this server, which owns the addresses')
    datapath.setLease(primary.lease.until, this.member.epoch)
    this.flows.kickAll(true)
    this.parts.relay.resumeAccepting()
  }

  /** This server holds nothing, hears of nobody, and in etcd nobody keeps the addresses: after a while they are its own. */
  #claimWhatIsNobodys(afterMs: number): void {
    const {now} = this
    const fresh = this.primary === null && !this.member.backup.synchronised && !this.link.isUp
    if (!fresh) this.#claimAt = now + afterMs
    if (now < this.#claimAt) return
    this.#claimAt = now + CLAIM_AGAIN_MS
    this.member.claim('expired')
  }

  /** Before anything leaves on the link, the datapath is what the core believes it to be. */
  #synchronise(): void {
    const {primary} = this
    const {datapath, epochs} = this.parts
    const solo = primary?.solo ?? false
    const strays = primary !== null && this.#aftermath.answersStrays(this.now)
    const role = {solo, owner: primary !== null, via: primary?.link === 'paired', strays}
    const name = `${role.solo} ${role.owner} ${role.via} ${role.strays}`
    if (name !== this.#role) {
      this.#role = name
      datapath.setRole(role)
      const gated = this.ungated && !solo
      this.ungated = solo
      // What was let out without a gate the kernel may not have said yet, and from here on it may not say it by itself.
      if (gated) this.flows.kickAll(false)
    }

    const until = primary?.lease.until ?? Number.NEGATIVE_INFINITY
    if (until !== this.#lease) {
      const lapsed = this.#lease < this.now && until > this.now
      this.#lease = until
      epochs.alone = until === Number.POSITIVE_INFINITY
      datapath.setLease(until, this.member.epoch)
      // What was to be said while the lease was over was held back, and nobody asks for it again.
      if (lapsed) {
        this.flows.kickAll(true)
        this.parts.relay.resumeAccepting()
      }
    }
  }
}
