import type {PairDatapath} from '../gate/pair-datapath.js'
import type {FlowReplicator} from './flow-replicator.js'
import type {OwedFins} from './takeover.js'

/** After a takeover acknowledgements are said again at these times, ms. */
const KICK_AT_MS = [10, 20, 50, 100, 200, 400] as const
/** SYN/ACKs too: clients that wait for the server's first word would not ask for them. */
const SYN_ACK_AT_MS = [0, 30, 150, 600] as const
/** So long after a takeover, segments that belong to no connection are answered as ever, with an RST. */
const STRAYS_AFTER_MS = 5000

/** What is to be said again in the moments after a takeover, since it may have been lost with the old owner. */
export class Aftermath {
  #takenAt = Number.NEGATIVE_INFINITY
  #kicks: number = KICK_AT_MS.length
  #synAcks: number = SYN_ACK_AT_MS.length

  constructor(
    private readonly flows: FlowReplicator,
    private readonly datapath: PairDatapath,
    private readonly fins: OwedFins,
  ) {}

  /** @param now ms of CLOCK_BOOTTIME, here and below */
  begin(now: number): void {
    this.#takenAt = now
    this.#kicks = 0
    this.#synAcks = 0
  }

  /** Whether segments that belong to no connection may be told so: none can belong to one that is still to be made. */
  answersStrays(now: number): boolean {
    return now - this.#takenAt > STRAYS_AFTER_MS
  }

  /** What is due. Call it every few ms while the addresses are this server's. */
  tick(now: number): void {
    const since = now - this.#takenAt
    if (this.#kicks < KICK_AT_MS.length && since >= KICK_AT_MS[this.#kicks]) {
      this.#kicks++
      this.fins.feed()
      this.flows.kickAll(true)
    }

    if (this.#synAcks < SYN_ACK_AT_MS.length && since >= SYN_ACK_AT_MS[this.#synAcks]) {
      this.#synAcks++
      this.datapath.resendSynAcks(now)
    }
  }
}
