import {MAX_FAR_LEG_LENGTH, writeFarLeg, type FarLeg} from '../wire/far-leg.js'
import {LEG_RECORD_LENGTH, writeLegRecord, writeRawEndpoint, type LegRecord} from '../wire/leg-record.js'
import {FLOW_LENGTH, FrameHeader, FrameType, MAX_PAYLOAD, type Direction} from '../wire/replication-frame.js'
import type {Payload, Send} from './backup.js'
import type {Pending, Unread} from './primary.js'
import type {PrimaryFlow} from './primary-flow.js'

/** What an owner says of its flows, in frames. It notes in each what the backup has been told. */
export class FlowFrames {
  readonly #header = new FrameHeader()
  readonly #flowPayload = Buffer.alloc(FLOW_LENGTH)
  readonly #legPayload = Buffer.alloc(MAX_FAR_LEG_LENGTH)

  constructor(private readonly output: Send) {}

  /**
   * A flow as it is now, with its legs and what the far peers may still need.
   *
   * @returns bytes sent, roughly
   * @throws Error when what is pending does not end where the reading does
   */
  flow(flow: PrimaryFlow, pending: readonly [Pending, Pending], now: number): number {
    const bases = pending.map(({from}) => from)
    writeLegRecord(this.#flowPayload, 0, aged(flow.near, flow.nearAt, now))
    writeRawEndpoint(this.#flowPayload, LEG_RECORD_LENGTH, flow.dialFrom)
    writeRawEndpoint(this.#flowPayload, LEG_RECORD_LENGTH + 18, flow.dialTo)
    this.send(FrameType.FLOW, flow.id, 0, bases[0], bases[1], this.#flowPayload)
    flow.told = true
    if (flow.far !== null) this.leg(flow, now)
    let sent = FLOW_LENGTH
    for (const direction of [0, 1] as const) {
      const stream = flow.stream(direction)
      let at = bases[direction]
      stream.held = at
      stream.ahead = 0
      stream.trimmed = at
      stream.acknowledged = Math.max(stream.acknowledged, at)
      for (const bytes of pending[direction].parts) {
        this.data(flow, direction, at, bytes, 0, bytes.length)
        at += bytes.length
        sent += bytes.length
      }

      if (at !== stream.received)
        throw new Error(`flow ${flow.id}: pending bytes end at ${at}, ${stream.received} were received`)
      if (stream.ended) this.send(FrameType.END, flow.id, direction, stream.received, 0, null)
    }

    return sent
  }

  /** Its far leg, by the attempt that it is of. */
  leg(flow: PrimaryFlow, now: number): void {
    const far = flow.far as FarLeg
    const length = writeFarLeg(this.#legPayload, 0, {...far, record: aged(far.record, flow.farAt, now)})
    this.send(FrameType.LEG, flow.id, 1, flow.attempt, 0, this.#legPayload, 0, length)
  }

  /** Bytes of a direction, and what may be trimmed of it. */
  data(flow: PrimaryFlow, direction: Direction, offset: number, bytes: Payload, start: number, end: number): void {
    const stream = flow.stream(direction)
    const trimmed = Math.min(stream.acknowledged, offset)
    for (let at = start; at < end; at += MAX_PAYLOAD) {
      const partEnd = Math.min(end, at + MAX_PAYLOAD)
      this.send(FrameType.DATA, flow.id, direction, offset + at - start, trimmed, bytes, at, partEnd)
    }

    stream.trimmed = Math.max(stream.trimmed, trimmed)
  }

  /** What was acknowledged to the sender of a direction and has not been read. @returns bytes sent */
  unread(flow: PrimaryFlow, direction: Direction, {bytes, ended}: Unread): number {
    const stream = flow.stream(direction)
    this.data(flow, direction, stream.received, bytes, 0, bytes.length)
    const end = stream.received + bytes.length
    if (ended) this.send(FrameType.END, flow.id, direction, end, 0, null)
    stream.ahead = end + (ended ? 1 : 0)
    return bytes.length
  }

  /** What the far peers have acknowledged, where the backup does not know it. */
  trims(flows: Iterable<PrimaryFlow>): void {
    for (const flow of flows) {
      for (const direction of [0, 1] as const) {
        const stream = flow.stream(direction)
        if (!flow.told || stream.trimmed === stream.acknowledged) continue
        stream.trimmed = stream.acknowledged
        this.send(FrameType.ACK, flow.id, direction, 0, stream.acknowledged, null)
      }
    }
  }

  /** Any frame. */
  send(
    type: FrameType,
    flow: number,
    direction: Direction,
    offset: number,
    acknowledged: number,
    payload: Payload | null,
    start = 0,
    end = payload === null ? 0 : payload.length,
  ): void {
    const header = this.#header
    header.type = type
    header.flow = flow
    header.direction = direction
    header.offset = offset
    header.acknowledged = acknowledged
    header.length = end - start
    this.output(header, payload, start)
  }
}

/** A record as it is to be sent now: the timestamp in it has grown older since it was read. */
function aged(record: LegRecord, readAt: number, now: number): LegRecord {
  return {...record, ageMs: Math.min(0xff_ff_ff_ff, record.ageMs + Math.max(0, Math.round(now - readAt)))}
}
