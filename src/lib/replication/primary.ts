import type {FarLeg} from '../wire/far-leg.js'
import type {LegRecord, RawEndpoint} from '../wire/leg-record.js'
import {
  FLOW_LENGTH,
  FrameType,
  ReplicationProtocolError,
  type Direction,
  type FrameHeader,
} from '../wire/replication-frame.js'
import type {Payload, Send, TakeoverFlow} from './backup.js'
import {FlowFrames} from './flow-frames.js'
import {Lease} from './lease.js'
import type {Coordinator, Evidence} from './ownership.js'
import {PrimaryFlow, type PrimaryStream} from './primary-flow.js'
import type {ReplicationSettings} from './settings.js'

/** What the owner asks of the datapath. */
export interface PrimaryOutput {
  /** The sending peer of this direction may be acknowledged up to here, its FIN counted as one more. */
  gate(flow: number, direction: Direction, offset: number): void
  /** The clock of this server's keyed SYN/ACKs, s: the backup must count the same time. */
  setupClock(): number
  /** The backup knows the near leg: it may speak. */
  speak(flow: number): void
  /** Bytes of this flow may go upstream, and be read from there. */
  ready(flow: number): void
  /** Both peers have acknowledged our FIN, and may be acknowledged theirs. The flow is forgotten. */
  closed(flow: number): void
  /** Stop, or go on, reading from all flows. */
  pauseReading(paused: boolean): void
  /** What the far peer may still need of a direction; good until the next call for this direction. */
  pending(flow: number, direction: Direction): Pending
  /** What the relay has not read yet of a direction. Gates have been standing since {@link Primary.solo} is false. */
  unread(flow: number, direction: Direction): Unread | null
}

/** The last bytes given to {@link Primary.received}, up to the very last. */
export interface Pending {
  /** Offset of the first. The far peer has acknowledged all before it. */
  from: number
  parts: Buffer[]
}

/** What was received from the peer of a direction behind the last byte given to {@link Primary.received}. */
export interface Unread {
  /** Good until the next call. */
  bytes: Buffer
  /** The peer has closed its direction behind them. */
  ended: boolean
}

/**
 * down: no backup. snapshot: it is being told of the flows. unread: gates stand from here on, and it is sent what was
 * acknowledged without it and the relay has not read yet. ending: all was told, its word is awaited. paired: what it
 * acknowledges opens gates.
 */
export type LinkState = 'down' | 'snapshot' | 'unread' | 'ending' | 'paired'

/** Bytes of what is unread in one turn; gates stand meanwhile. */
const UNREAD_BYTES = 4_194_304

/** The side that owns the address. Times are ms of a monotonic clock that goes on while the machine sleeps. */
export class Primary {
  readonly flows = new Map<number, PrimaryFlow>()
  readonly lease: Lease
  /** How often it went on without a backup. */
  soloCount = 0
  /** Bytes that the backup has not acknowledged, and those that it must keep. */
  outstanding = 0
  kept = 0
  readonly #settings: ReplicationSettings
  readonly #coordinator: Coordinator
  readonly #frames: FlowFrames
  readonly #output: PrimaryOutput
  #epoch: number
  readonly #raised: (epoch: number) => void
  readonly #untold: number[] = []
  #link: LinkState = 'down'
  #links = 0
  #paused = false
  /** Whether it may be alone beside a backup that holds nothing is being asked. */
  #askedFresh = false
  /** When to ask, without a word of the backup. */
  #askAloneAt = Number.POSITIVE_INFINITY
  #nextFlow = 1
  #nextBeat = Number.NEGATIVE_INFINITY
  #handedOverAt = Number.POSITIVE_INFINITY

  /**
   * @param epoch that was granted, which makes it the only owner: it starts alone
   * @param raised is told of another epoch in which this owner goes on: a link that is up is of the past
   */
  constructor(
    settings: ReplicationSettings,
    epoch: number,
    coordinator: Coordinator,
    send: Send,
    output: PrimaryOutput,
    raised: (epoch: number) => void = () => {},
  ) {
    this.#raised = raised
    this.#settings = settings
    this.#epoch = epoch
    this.#coordinator = coordinator
    this.#frames = new FlowFrames(send)
    this.#output = output
    this.lease = new Lease(settings.leaseMs)
    this.lease.becomeAlone()
  }

  get link(): LinkState {
    return this.#link
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Nothing is replicated, and everything is let out. */
  get solo(): boolean {
    return this.lease.alone && this.#settings.onBackupLoss === 'solo' && this.#link !== 'unread'
  }

  /** Whether anything may leave from the address now. */
  speaks(now: number): boolean {
    return this.lease.valid(now)
  }

  /** The flows of a takeover. Call it once, before anything else. */
  adopt(plan: readonly TakeoverFlow[]): void {
    for (const {journal} of plan) {
      const flow = PrimaryFlow.adopt(journal)
      this.flows.set(flow.id, flow)
      this.#nextFlow = Math.max(this.#nextFlow, flow.id + 1)
      for (const direction of [0, 1] as const) this.#output.gate(flow.id, direction, flow.stream(direction).gate)
    }

    for (const flow of this.flows.values()) this.#release(flow)
    this.#judgePause()
  }

  /**
   * A client's connection is there, mute until the backup has its record. Without a backup it may speak at once: see
   * {@link PrimaryFlow.speaks} of the flow returned.
   *
   * @returns the flow's id
   */
  open(near: LegRecord, dialFrom: RawEndpoint, dialTo: RawEndpoint, now: number): number {
    while (this.flows.has(this.#nextFlow) || this.#nextFlow === 0) this.#nextFlow = (this.#nextFlow + 1) >>> 0
    const flow = new PrimaryFlow(this.#nextFlow, near, now, dialFrom, dialTo)
    this.#nextFlow = (this.#nextFlow + 1) >>> 0
    this.flows.set(flow.id, flow)
    if (this.#link !== 'down') this.#tell(flow, now)
    if (this.solo) flow.speaks = true
    return flow.id
  }

  /** The far leg failed before a byte of it was passed on; another is being dialled. */
  redial(id: number): void {
    const flow = this.#flow(id)
    flow.far = null
    flow.farHeld = false
    flow.ready = false
  }

  /** The far leg is connected, or was dialled anew: the one before is gone, and no byte of it was passed on. */
  dialled(id: number, far: FarLeg, now: number): void {
    const flow = this.#flow(id)
    flow.far = far
    flow.farAt = now
    flow.attempt++
    flow.farHeld = false
    flow.ready = false
    if (flow.told) this.#frames.leg(flow, now)
    this.#release(flow)
  }

  /** Bytes were read from a leg; they are replicated at once. They may go to the other leg when the flow is ready. */
  received(id: number, direction: Direction, bytes: Payload, start = 0, end = bytes.length): void {
    const flow = this.#flow(id)
    const stream = flow.stream(direction)
    if (stream.ended) throw new Error(`bytes of flow ${id} after its end`)
    if (direction === 1 && !flow.ready) throw new Error(`bytes of flow ${id} from upstream before it is ready`)
    if (flow.told) this.#frames.data(flow, direction, stream.received, bytes, start, end)
    stream.received += end - start
    this.#account(flow)
    this.#openGate(flow, direction)
  }

  /** A peer has closed its direction. */
  ended(id: number, direction: Direction): void {
    const flow = this.#flow(id)
    const stream = flow.stream(direction)
    stream.ended = true
    if (flow.told) this.#frames.send(FrameType.END, id, direction, stream.received, 0, null)
    this.#account(flow)
    this.#openGate(flow, direction)
    this.#closeIfFinished(flow)
  }

  /** The far peer of a direction has acknowledged so much of it, our FIN counted as one more. */
  acknowledged(id: number, direction: Direction, offset: number): void {
    const flow = this.#flow(id)
    const stream = flow.stream(direction)
    if (offset <= stream.acknowledged) return
    if (offset > stream.total) throw new Error(`flow ${id}: ${offset} acknowledged of ${stream.total}`)
    stream.acknowledged = offset
    this.#account(flow)
    this.#closeIfFinished(flow)
  }

  /** A leg was reset. */
  abort(id: number): void {
    const flow = this.#flow(id)
    if (flow.told) this.#frames.send(FrameType.ABORT, id, 0, 0, 0, null)
    this.#forget(flow)
  }

  /**
   * A backup is there.
   *
   * @param holds whether it holds this epoch's flows already: then it may take over while the new snapshot goes on
   */
  lead(holds: boolean): void {
    if (holds) this.lease.takeBack()
    this.#handedOverAt = Number.POSITIVE_INFINITY
    this.#askAloneAt = Number.POSITIVE_INFINITY
    this.#links++
    this.#link = 'snapshot'
    this.#nextBeat = Number.NEGATIVE_INFINITY
    this.#untold.length = 0
    for (const flow of this.flows.values()) {
      flow.told = false
      flow.nearHeld = false
      flow.farHeld = false
      this.#untold.push(flow.id)
      this.#account(flow)
    }

    this.#frames.send(FrameType.SNAPSHOT_BEGIN, 0, 0, 0, 0, null)
    this.#judgePause()
    if (!holds && (!this.lease.alone || this.lease.given)) this.#becomeAlone('fresh', true)
  }

  /**
   * The link is gone.
   *
   * @param evidence that the backup is gone too; `silent` when there is none
   */
  linkDown(evidence: Evidence, now: number): void {
    if (this.#link === 'down') return
    this.#down()
    // After the lease the backup may have been owner already, and have died as one: only its next HELLO can tell.
    if (evidence === 'silent') this.#askAloneAt = now + this.#settings.leaseMs
    else if (!this.lease.alone) this.#becomeAlone(evidence, this.lease.valid(now))
    this.#judgePause()
  }

  /** Sends what is due: heartbeats, the next part of the snapshot, what may be trimmed. Call it every few ms. */
  tick(now: number): void {
    if (this.#link === 'down') {
      // A link that was only interrupted is there again by now, and its backup holds what it held.
      if (now >= this.#askAloneAt && !this.lease.alone) {
        this.#askAloneAt = Number.POSITIVE_INFINITY
        this.#becomeAlone('silent', true)
      }

      return
    }

    if (now >= this.#nextBeat) {
      this.#nextBeat = now + this.#settings.heartbeatMs
      this.lease.beat(now)
      this.#frames.trims(this.flows.values())
      this.#frames.send(FrameType.HEARTBEAT, 0, 0, Math.floor(now * 1000), this.#output.setupClock(), null)
    }

    if (this.#link === 'snapshot') this.#snapshot(now)
    else if (this.#link === 'unread') this.#sendUnread(now)
  }

  /** A frame of the backup. @throws ReplicationProtocolError */
  frame(header: FrameHeader, now: number): void {
    switch (header.type) {
      case FrameType.ACK: {
        this.#held(header)
        return
      }

      case FrameType.RECORD_ACK: {
        const flow = this.flows.get(header.flow)
        if (flow === undefined || !flow.told) return
        if (header.direction === 0) flow.nearHeld = true
        else if (header.offset === flow.attempt) flow.farHeld = true
        this.#release(flow)
        return
      }

      case FrameType.HEARTBEAT_ACK: {
        const sentAt = header.offset / 1000
        if (!this.lease.renew(sentAt)) throw new ReplicationProtocolError('a heartbeat is answered that was not sent')
        // The answer is of our epoch and comes after the hand-over was read: it was declined.
        if (sentAt > this.#handedOverAt) this.lease.takeBack()
        return
      }

      case FrameType.SNAPSHOT_END: {
        if (this.#link !== 'ending') throw new ReplicationProtocolError('a snapshot is confirmed that has not ended')
        this.#link = 'paired'
        for (const flow of this.flows.values()) this.#release(flow)
        this.#judgePause()
        return
      }

      default: {
        throw new ReplicationProtocolError(`frame type ${header.type} is not for an owner (at ${now} ms)`)
      }
    }
  }

  /**
   * Gives the address to the backup: silent from here on, until it has it, or is known not to have taken it.
   *
   * @throws Error when no backup holds the flows
   */
  handOver(now: number): void {
    if (this.#link !== 'paired') throw new Error('no backup holds the flows')
    this.#frames.trims(this.flows.values())
    this.lease.give()
    this.#handedOverAt = now
    this.#frames.send(FrameType.HANDOVER, 0, 0, 0, 0, null)
  }

  #down(): void {
    // The backup may hold something when it comes back.
    if (this.#askedFresh) this.#coordinator.cancel()
    this.#askedFresh = false
    this.#links++
    this.#link = 'down'
    for (const flow of this.flows.values()) {
      flow.told = false
      this.#account(flow)
    }
  }

  #becomeAlone(evidence: Evidence, knowable: boolean): void {
    const link = ++this.#links
    if (!knowable) return
    this.#askedFresh = evidence === 'fresh'
    this.#coordinator.alone(this.#epoch, evidence, (granted) => {
      this.#askedFresh = false
      const raised = granted !== null && granted > this.#epoch
      if (granted === null || (link !== this.#links && !raised)) return
      if (raised) {
        this.#epoch = granted
        this.#down()
        this.#raised(granted)
      }

      this.lease.becomeAlone()
      if (this.solo) this.soloCount++
      for (const flow of this.flows.values()) this.#release(flow)
      this.#judgePause()
    })
  }

  #snapshot(now: number): void {
    let budget = this.#settings.snapshotBytes
    while (budget > 0 && this.#untold.length > 0) {
      const flow = this.flows.get(this.#untold.pop() as number)
      if (flow !== undefined && !flow.told) budget -= this.#tell(flow, now)
    }

    // Nobody holds anything, and so can be granted nothing, before it is certain that this is the owner.
    if (this.#untold.length > 0 || this.#askedFresh) return
    if (!this.solo) {
      this.#endSnapshot(now)
      return
    }

    // Without a backup everything is acknowledged as it comes, read or not. The datapath must hear of it first.
    this.#link = 'unread'
    this.#untold.push(...this.flows.keys())
  }

  #sendUnread(now: number): void {
    let budget = UNREAD_BYTES
    while (budget > 0 && this.#untold.length > 0) {
      const flow = this.flows.get(this.#untold.pop() as number)
      if (flow === undefined) continue
      budget -= FLOW_LENGTH
      for (const direction of [0, 1] as const) {
        const unread = this.#output.unread(flow.id, direction)
        if (unread !== null) budget -= this.#frames.unread(flow, direction, unread)
      }
    }

    if (this.#untold.length === 0) this.#endSnapshot(now)
  }

  #endSnapshot(now: number): void {
    this.#link = 'ending'
    this.lease.becomePaired(now)
    this.#frames.send(FrameType.SNAPSHOT_END, 0, 0, 0, 0, null)
    this.#judgePause()
  }

  /** Tells the backup of a flow as it is now. @returns bytes sent, roughly */
  #tell(flow: PrimaryFlow, now: number): number {
    const sent = this.#frames.flow(flow, [this.#output.pending(flow.id, 0), this.#output.pending(flow.id, 1)], now)
    this.#account(flow)
    return sent
  }

  #held({flow: id, direction, offset}: FrameHeader): void {
    const flow = this.flows.get(id)
    if (flow === undefined || !flow.told) return
    const stream = flow.stream(direction)
    const sent = Math.max(stream.total, stream.ahead)
    if (offset > sent) throw new ReplicationProtocolError(`flow ${id}: ${offset} held of ${sent} that were sent`)

    stream.held = Math.max(stream.held, offset)
    this.#account(flow)
    this.#openGate(flow, direction)
    this.#closeIfFinished(flow)
  }

  #gateTarget(stream: PrimaryStream): number {
    if (this.solo) return stream.total
    return this.#link === 'paired' ? stream.held : stream.gate
  }

  #openGate(flow: PrimaryFlow, direction: Direction): void {
    const stream = flow.stream(direction)
    const target = this.#gateTarget(stream)
    if (target <= stream.gate) return
    stream.gate = target
    this.#output.gate(flow.id, direction, target)
  }

  /** Lets out what may go now. */
  #release(flow: PrimaryFlow): void {
    if (!flow.speaks && (this.solo || (this.#link === 'paired' && flow.nearHeld))) {
      flow.speaks = true
      this.#output.speak(flow.id)
    }

    this.#openGate(flow, 0)
    this.#openGate(flow, 1)
    const held = this.#link === 'paired' && flow.nearHeld && flow.farHeld
    if (!flow.ready && flow.far !== null && (this.solo || held)) {
      flow.ready = true
      this.#output.ready(flow.id)
    }

    this.#closeIfFinished(flow)
  }

  #closeIfFinished(flow: PrimaryFlow): void {
    if (!flow.streams[0].finished || !flow.streams[1].finished || !this.flows.has(flow.id)) return
    if (flow.told) this.#frames.send(FrameType.CLOSE, flow.id, 0, 0, 0, null)
    this.#forget(flow)
    this.#output.closed(flow.id)
  }

  #forget(flow: PrimaryFlow): void {
    this.outstanding -= flow.outstanding
    this.kept -= flow.kept
    this.flows.delete(flow.id)
    this.#judgePause()
  }

  #account(flow: PrimaryFlow): void {
    const [up, down] = flow.streams
    const outstanding = flow.told ? Math.max(0, up.total - up.held) + Math.max(0, down.total - down.held) : 0
    const kept = up.total - up.acknowledged + down.total - down.acknowledged
    this.outstanding += outstanding - flow.outstanding
    this.kept += kept - flow.kept
    flow.outstanding = outstanding
    flow.kept = kept
    this.#judgePause()
  }

  #judgePause(): void {
    const {maxOutstanding, maxHeld} = this.#settings
    const share = this.#paused ? 0.5 : 1
    const over = this.outstanding > maxOutstanding * share || this.kept > maxHeld * share
    const paused = this.#link === 'down' ? !this.solo : over
    if (paused === this.#paused) return
    this.#paused = paused
    this.#output.pauseReading(paused)
  }

  #flow(id: number): PrimaryFlow {
    const flow = this.flows.get(id)
    if (flow === undefined) throw new Error(`flow ${id} is not known`)
    return flow
  }
}
