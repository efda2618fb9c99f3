import type {FarLeg} from '../wire/far-leg.js'
import type {LegRecord, RawEndpoint} from '../wire/leg-record.js'
import type {Direction} from '../wire/replication-frame.js'
import type {FlowJournal} from './journal.js'

/** One direction of a flow at the owner. Offsets count the end as one more, as TCP counts a FIN. */
export class PrimaryStream {
  /** Bytes read from the sending peer. */
  received = 0
  ended = false
  /** What the peer at the far end has acknowledged. */
  acknowledged = 0
  /** What the backup has acknowledged since the last snapshot began: more than was read where it was told of more. */
  held = 0
  /** What the backup was sent ahead of the relay's reading, since its sender had been told already that it was here. */
  ahead = 0
  /** What may be acknowledged to the sending peer. Never falls. */
  gate = 0
  /** The `acknowledged` that the backup was told last. */
  trimmed = 0

  get total(): number {
    return this.received + (this.ended ? 1 : 0)
  }

  get finished(): boolean {
    return this.ended && this.acknowledged === this.total && this.gate === this.total
  }
}

/** One flow at the owner. */
export class PrimaryFlow {
  readonly streams: readonly [PrimaryStream, PrimaryStream] = [new PrimaryStream(), new PrimaryStream()]
  far: FarLeg | null = null
  /** When `far` was read, as `nearAt`. */
  farAt = 0
  /** How often a far leg was dialled: the backup's acknowledgement of an earlier one counts for nothing. */
  attempt = 0
  /** Which of the two records the backup holds. */
  nearHeld = false
  farHeld = false
  /** The near leg may speak. */
  speaks = false
  /** Bytes may go upstream and be read from there. */
  ready = false
  /** The backup has been told of it on this link: what comes is replicated at once. Else the snapshot will tell. */
  told = false
  /** What it contributes to the totals of {@link Primary}. */
  outstanding = 0
  kept = 0

  /** @param nearAt ms, when `near` was read: its `ageMs` counts from then */
  constructor(
    readonly id: number,
    readonly near: LegRecord,
    readonly nearAt: number,
    readonly dialFrom: RawEndpoint,
    readonly dialTo: RawEndpoint,
  ) {}

  /** A flow as the backup held it when it took over. */
  static adopt(journal: FlowJournal): PrimaryFlow {
    const flow = new PrimaryFlow(journal.id, journal.near, journal.nearAt, journal.dialFrom, journal.dialTo)
    flow.far = journal.far
    flow.farAt = journal.farAt
    flow.ready = journal.far !== null
    flow.speaks = true
    for (const direction of [0, 1] as const) {
      const {base, end, ended, endAcknowledged} = journal.streams[direction]
      const stream = flow.streams[direction]
      stream.received = end
      stream.ended = ended
      stream.acknowledged = base + (endAcknowledged ? 1 : 0)
      stream.gate = stream.total
    }

    return flow
  }

  stream(direction: Direction): PrimaryStream {
    return this.streams[direction]
  }
}
