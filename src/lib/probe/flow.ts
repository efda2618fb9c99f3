import type {IcmpError} from '../wire/icmp.js'
import type {Endpoint} from '../wire/endpoint.js'
import type {IpPacket} from '../wire/ip-packet.js'
import type {CraftedSegment} from '../wire/tcp-packet.js'
import {TcpFlag, type TcpSegment} from '../wire/tcp-segment.js'

/** A TCP packet with its IP header. */
export interface SeenPacket {
  ip: IpPacket
  tcp: TcpSegment
}

/** What happened to a flow, in the order of the capture. */
export type FlowEvent =
  | (SeenPacket & {kind: 'sent' | 'received'; timeNs: bigint})
  /** An ICMP error about a packet of the flow. Time null: this host made it itself. */
  | {kind: 'icmp'; timeNs: bigint | null; from: string; error: IcmpError}
  /** The kernel did not take a packet; in the words of strerror(3). */
  | {kind: 'refused'; why: string}

/** What a caller chooses of a segment; the flow knows the rest. */
export type Part = Omit<CraftedSegment, 'source' | 'destination'>

/** How a flow sends. @returns null, or why the kernel did not take it */
export type Transmit = (segment: CraftedSegment) => Promise<string | null>

/** One crafted connection: a port of ours, and everything seen of it. */
export class Flow {
  readonly events: FlowEvent[] = []
  /** Set when the connection was reset: what comes after that is answered by another reset. */
  finished = false
  readonly #waiting = new Set<() => void>()

  constructor(
    readonly local: Endpoint,
    readonly remote: Endpoint,
    private readonly transmit: Transmit,
    private readonly release: () => void,
  ) {}

  async send(part: Part): Promise<void> {
    const why = await this.transmit({...part, source: this.local, destination: this.remote})
    if (why !== null) this.record({kind: 'refused', why})
  }

  record(event: FlowEvent): void {
    this.events.push(event)
    for (const look of this.#waiting) look()
  }

  /**
   * Waits until `find` finds something.
   *
   * @returns what it found, or null after `timeoutMs` or when `abandon` is aborted
   */
  until<T>(
    find: (events: readonly FlowEvent[]) => T | null,
    timeoutMs: number,
    abandon?: AbortSignal,
  ): Promise<T | null> {
    return new Promise((resolve) => {
      const end = (value: T | null): void => {
        clearTimeout(timer)
        abandon?.removeEventListener('abort', giveUp)
        this.#waiting.delete(look)
        resolve(value)
      }

      const look = (): void => {
        const found = find(this.events)
        if (found !== null) end(found)
      }

      const giveUp = (): void => end(find(this.events))
      const timer = setTimeout(giveUp, timeoutMs)
      this.#waiting.add(look)
      if (abandon?.aborted) giveUp()
      else {
        abandon?.addEventListener('abort', giveUp)
        look()
      }
    })
  }

  /**
   * Ends the connection at the peer by an RST and gives the port back.
   *
   * @param sequence the next that the peer expects (RFC 5961 section 3.2 wants it exactly)
   */
  async finish(sequence: number): Promise<void> {
    if (this.finished) return
    this.finished = true
    await this.reset(sequence)
    this.release()
  }

  /** Sends an RST. @param sequence the next that the peer expects */
  reset(sequence: number): Promise<void> {
    return this.send({sequence: sequence >>> 0, acknowledgment: 0, flags: TcpFlag.RST, window: 0})
  }

  /** Gives the port back without a word: the peer has no connection. */
  close(): void {
    if (this.finished) return
    this.finished = true
    this.release()
  }
}

/** ms from one time of a capture to another. */
export const betweenMs = (fromNs: bigint, toNs: bigint): number => Number(toNs - fromNs) / 1e6

/** When the first packet that fits left. */
export function sentAt(events: readonly FlowEvent[], fits: (tcp: TcpSegment) => boolean): bigint | null {
  for (const event of events) if (event.kind === 'sent' && fits(event.tcp)) return event.timeNs
  return null
}
