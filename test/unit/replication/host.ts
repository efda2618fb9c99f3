import type {Pending} from '../../../src/lib/replication/primary.js'
import {PairMember, type MemberOutput} from '../../../src/lib/replication/member.js'
import type {Coordinator} from '../../../src/lib/replication/ownership.js'
import type {ReplicationSettings} from '../../../src/lib/replication/settings.js'
import {
  FRAME_HEADER_LENGTH,
  FrameParser,
  writeFrameHeader,
  type Direction,
  type FrameHeader,
} from '../../../src/lib/wire/replication-frame.js'
import {legRecord} from './legs.js'
import type {Segment} from './peer.js'

/** Rules that a test may break, to see that the checker notices. */
export interface Sabotage {
  readonly acknowledgeBeforeBackup?: boolean
  readonly speakWithoutLease?: boolean
  readonly upstreamBeforeReady?: boolean
  readonly forgetPendingBytes?: boolean
}

/** What a host needs of the world. */
export interface World {
  readonly sabotage: Sabotage
  clock(host: number): number
  transmit(host: number, bytes: Buffer): void
  close(host: number, how: 'end' | 'reset'): void
  tookOver(host: number): void
  gateOpened(host: number, client: number, direction: Direction, offset: number): void
  /** Returns the number of the new connection to the origin. */
  dial(host: number, client: number): number
  toPeer(client: number, connection: number, direction: Direction, segment: Segment): void
  reset(client: number, direction: Direction): void
}

interface Stream {
  bytes: Buffer
  base: number
  ended: boolean
  gate: number
}

interface HostFlow {
  readonly id: number
  readonly client: number
  connection: number
  ready: boolean
  readonly streams: readonly [Stream, Stream]
}

const EMPTY = Buffer.alloc(0)

/** One server: a member of the pair and what stands around it, its TCP and its relay. */
export class Host implements MemberOutput {
  readonly flows = new Map<number, HostFlow>()
  readonly closedClients = new Set<number>()
  readonly member: PairMember
  parser: FrameParser
  paused = false
  #readingPaused = false

  constructor(
    readonly index: number,
    readonly world: World,
    settings: ReplicationSettings,
    coordinator: Coordinator,
    readonly disk: {epoch: number},
  ) {
    this.member = new PairMember(settings, coordinator, this, index === 0, disk.epoch)
    this.parser = this.newParser()
  }

  newParser(): FrameParser {
    const parser = new FrameParser({
      frame: (header, payload) => this.member.frame(header, payload, this.now),
      data: (header, bytes, start, end) => this.member.data(header, bytes, start, end, this.now),
    })
    parser.setup = false
    return parser
  }

  get now(): number {
    return this.world.clock(this.index)
  }

  get speaks(): boolean {
    const {primary} = this.member
    return primary !== null && (this.world.sabotage.speakWithoutLease === true || primary.speaks(this.now))
  }

  flowOf(client: number): HostFlow | undefined {
    return [...this.flows.values()].find((flow) => flow.client === client)
  }

  // What the member asks.

  send(header: FrameHeader, payload: Buffer | null, start: number): void {
    const bytes = Buffer.alloc(FRAME_HEADER_LENGTH + header.length)
    writeFrameHeader(bytes, 0, header)
    payload?.copy(bytes, FRAME_HEADER_LENGTH, start, start + header.length)
    this.world.transmit(this.index, bytes)
  }

  closeLink(how: 'end' | 'reset'): void {
    this.world.close(this.index, how)
  }

  persist(epoch: number): void {
    if (epoch <= this.disk.epoch) throw new Error(`epoch ${epoch} after ${this.disk.epoch}`)
    this.disk.epoch = epoch
  }

  takeOver(plan: Parameters<MemberOutput['takeOver']>[0]): void {
    this.world.tookOver(this.index)
    this.flows.clear()
    this.#readingPaused = false
    for (const {journal, legs} of plan) {
      const [up, down] = journal.streams.map((stream) => ({
        bytes: Buffer.concat(this.world.sabotage.forgetPendingBytes ? [] : stream.pending()),
        base: this.world.sabotage.forgetPendingBytes ? stream.end : stream.base,
        ended: stream.ended,
        gate: 0,
      }))
      const client = journal.near.remote.port
      const connection = legs === 'both' ? (journal.far?.record.local.port ?? 0) : this.world.dial(this.index, client)
      this.flows.set(journal.id, {id: journal.id, client, connection, ready: legs === 'both', streams: [up, down]})
    }
  }

  carryOn(): void {}

  standDown(): void {
    this.flows.clear()
    this.#readingPaused = false
  }

  gate(id: number, direction: Direction, offset: number): void {
    const flow = this.flows.get(id) as HostFlow
    flow.streams[direction].gate = offset
    this.world.gateOpened(this.index, flow.client, direction, offset)
  }

  speak(): void {}

  setupClock(): number {
    return 0
  }

  followClock(): void {}

  ready(id: number): void {
    ;(this.flows.get(id) as HostFlow).ready = true
  }

  closed(id: number): void {
    this.closedClients.add((this.flows.get(id) as HostFlow).client)
    this.flows.delete(id)
  }

  pauseReading(paused: boolean): void {
    this.#readingPaused = paused
  }

  unread(): null {
    return null
  }

  pending(id: number, direction: Direction): Pending {
    const stream = this.flows.get(id)?.streams[direction]
    // A flow that is opened in this very call is not in the map yet: nothing was read of it.
    return stream === undefined ? {from: 0, parts: []} : {from: stream.base, parts: [stream.bytes]}
  }

  // What comes from the peers.

  /** A client's or an origin's segment arrives at the address. */
  receive(client: number, connection: number, direction: Direction, segment: Segment): void {
    const {primary} = this.member
    if (primary === null) return
    let flow = this.flowOf(client)
    if (flow === undefined || (direction === 1 && flow.connection !== connection)) {
      if (!this.speaks) return
      const begins = direction === 0 && segment.offset === 0 && segment.ack === 0
      if (!begins || this.closedClients.has(client)) {
        if (flow === undefined) this.world.reset(client, direction)
        return
      }

      const near = legRecord(443, client)
      const id = primary.open(near, {address: near.local.address, port: 1}, near.remote, this.now)
      const stream = (): Stream => ({bytes: EMPTY, base: 0, ended: false, gate: 0})
      flow = {id, client, connection: this.world.dial(this.index, client), ready: false, streams: [stream(), stream()]}
      this.flows.set(id, flow)
    }

    this.#read(flow, direction, segment)
    if (!this.flows.has(flow.id)) return
    const other = flow.streams[1 - direction]
    const total = other.base + other.bytes.length + (other.ended ? 1 : 0)
    const acked = Math.min(segment.ack, total)
    // Even when the backup has not heard so far: the peer may acknowledge what the dead owner had forwarded.
    const base = Math.max(other.base, Math.min(acked, other.base + other.bytes.length))
    other.bytes = other.bytes.subarray(base - other.base)
    other.base = base
    primary.acknowledged(flow.id, (1 - direction) as Direction, acked)
  }

  /** A peer has answered with an RST: it has finished, or has given up. */
  peerReset(client: number): void {
    const flow = this.flowOf(client)
    if (flow === undefined || !this.speaks || this.paused) return
    this.flows.delete(flow.id)
    this.member.primary?.abort(flow.id)
  }

  /** The origin has accepted. */
  connected(client: number, connection: number): void {
    const flow = this.flowOf(client)
    if (flow?.connection === connection && this.member.primary?.flows.get(flow.id)?.far === null) {
      this.member.primary.dialled(
        flow.id,
        {record: legRecord(connection, 80), skips: [0, 0], heads: [EMPTY, EMPTY]},
        this.now,
      )
    }
  }

  /** Sends what each leg has to send, and its acknowledgement. */
  transmit(): void {
    if (!this.speaks) return
    for (const flow of this.flows.values()) {
      for (const direction of [0, 1] as const) {
        const stream = flow.streams[direction]
        const back = flow.streams[1 - direction]
        const mayGo = flow.ready || this.world.sabotage.upstreamBeforeReady === true
        if (direction === 0 && !mayGo) continue
        const ack = this.world.sabotage.acknowledgeBeforeBackup ? total(back) : back.gate
        this.world.toPeer(flow.client, flow.connection, direction, {
          offset: stream.base,
          bytes: stream.bytes.subarray(0, 3000),
          fin: stream.ended && stream.bytes.length <= 3000,
          ack,
        })
      }
    }
  }

  #read(flow: HostFlow, direction: Direction, {offset, bytes, fin}: Segment): void {
    const {primary} = this.member
    const stream = flow.streams[direction]
    if (primary === null || this.#readingPaused || stream.ended || (direction === 1 && !flow.ready)) return
    const end = stream.base + stream.bytes.length
    if (offset > end) return
    const fresh = bytes.subarray(Math.min(end - offset, bytes.length))
    if (fresh.length > 0) {
      stream.bytes = Buffer.concat([stream.bytes, fresh])
      primary.received(flow.id, direction, fresh)
    }

    if (fin && offset + bytes.length === end + fresh.length) {
      stream.ended = true
      primary.ended(flow.id, direction)
    }
  }
}

function total(stream: Stream): number {
  return stream.base + stream.bytes.length + (stream.ended ? 1 : 0)
}
