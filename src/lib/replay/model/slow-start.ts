/** Bytes that arrive together. */
export interface Arrival {
  atMs: number
  bytes: number
}

export interface SenderSettings {
  rttMs: number
  /** How much later than received bytes are acknowledged. */
  withheldMs: number
  initialWindowBytes: number
  growth: number
  maxWindowBytes: number
}

interface Flight {
  ackAt: number
  bytes: number
  /** Whether the window was in use when this left: one that is not used does not grow (RFC 7661; tcp_is_cwnd_limited). */
  limited: boolean
}

/** Beyond one round trip this long without sending, Linux takes the window back (its RTO is at least 200 ms over the RTT). */
const RTO_MARGIN_MS = 200
/** Events closer than this are one, ms. */
const TOGETHER_MS = 0.001

/**
 * One sender's congestion window in slow start: what is given to it leaves as far as the window allows, and comes to the
 * other side half a round trip later. No loss, no limit by rate: the model is of round trips.
 */
export class SlowStartSender {
  #window: number
  #inFlight = 0
  #flights: Flight[] = []
  #lastSentAt = -Infinity
  /** True once something had to wait for the window. */
  waited = false

  constructor(private readonly settings: SenderSettings) {
    this.#window = settings.initialWindowBytes
  }

  /**
   * Sends what arrives, in order.
   *
   * @param given ascending by time
   * @param notBefore nothing leaves before, ms
   * @returns what arrives at the other side
   */
  send(given: readonly Arrival[], notBefore = 0): Arrival[] {
    const arrived: Arrival[] = []
    let queued = 0
    let next = 0
    let now = Math.max(notBefore, this.#lastSentAt, given.length > 0 ? given[0].atMs : 0)
    while (next < given.length || queued > 0) {
      while (next < given.length && given[next].atMs <= now + TOGETHER_MS) queued += given[next++].bytes
      this.#acknowledge(now + TOGETHER_MS)
      this.#restartAfterIdle(now)
      const bytes = Math.min(queued, Math.max(0, this.#window - this.#inFlight))
      if (bytes > 0) {
        queued -= bytes
        this.#launch(now, bytes, queued > 0)
        arrived.push({atMs: now + this.settings.rttMs / 2, bytes})
      }

      if (queued > 0) this.waited = true
      const nextGiven = next < given.length ? given[next].atMs : Infinity
      const nextAck = queued > 0 ? this.#flights[0].ackAt : Infinity
      const then = Math.min(nextGiven, nextAck)
      if (then === Infinity) break
      now = Math.max(now, then)
    }

    return arrived
  }

  #launch(now: number, bytes: number, more: boolean): void {
    const {rttMs, withheldMs} = this.settings
    this.#inFlight += bytes
    const limited = more || this.#inFlight * 2 > this.#window
    this.#flights.push({ackAt: now + rttMs + withheldMs, bytes, limited})
    this.#lastSentAt = now
  }

  #acknowledge(now: number): void {
    const {growth, maxWindowBytes} = this.settings
    while (this.#flights.length > 0 && this.#flights[0].ackAt <= now) {
      const {bytes, limited} = this.#flights.shift()!
      this.#inFlight -= bytes
      if (!limited || this.#window >= maxWindowBytes) continue
      this.#window = Math.min(maxWindowBytes, this.#window + Math.floor(bytes * (growth - 1)))
    }
  }

  /** RFC 5681, 4.1; as Linux does it (tcp_cwnd_restart): half for each RTO of silence, down to the initial window. */
  #restartAfterIdle(now: number): void {
    const {initialWindowBytes, rttMs} = this.settings
    const rto = rttMs + RTO_MARGIN_MS
    let idle = now - this.#lastSentAt
    if (this.#inFlight > 0 || idle === Infinity) return
    while (idle > rto && this.#window > initialWindowBytes) {
      this.#window = Math.max(initialWindowBytes, this.#window / 2)
      idle -= rto
    }
  }
}
