/** Failed checks in a row after which a gateway counts as down. */
const FAILURES_TO_DOWN = 2

/** How long the zero-RTT handshake is left alone with a gateway that answered it with an RST, in ms. */
export const ZERO_RTT_BLOCK_MS = 10_000

/**
 * Within so long after a zero-RTT opening that was accepted, ms, silence is the gateway's or its network's: what drops such
 * openings would have dropped that one.
 */
export const ZERO_RTT_TRUST_MS = 3000

export type GatewayState = 'unknown' | 'up' | 'suspect' | 'down'

/**
 * What an edge believes of one gateway. Pure: told what happened and when.
 *
 * unknown: nothing heard yet. up: it accepted the last connection or health check. suspect: a connection failed since;
 * others are preferred until a check succeeds. down: two checks or connections in a row failed.
 */
export class GatewayHealth {
  state: GatewayState = 'unknown'
  /** The shortest of the last round trips: from the preamble of a health check sent to its reply, in ms; 0 when unknown. */
  rttMs = 0
  private failures = 0
  private zeroRttServedAt = Number.NEGATIVE_INFINITY
  private zeroRttBlockedUntil = Number.NEGATIVE_INFINITY
  private readonly samples: number[] = []

  /** @returns true when the state changed */
  succeeded(): boolean {
    this.failures = 0
    return this.enter('up')
  }

  /** A connection or a check came to nothing. @returns true when the state changed */
  failed(): boolean {
    this.failures++
    return this.enter(this.failures >= FAILURES_TO_DOWN ? 'down' : 'suspect')
  }

  /** @param rttMs of one health check */
  measured(rttMs: number): void {
    this.samples.push(rttMs)
    if (this.samples.length > 8) this.samples.shift()
    this.rttMs = Math.min(...this.samples)
  }

  /** The gateway answered a zero-RTT handshake with an RST: it lacks the program, or does not listen. */
  blockZeroRtt(now: number): void {
    this.zeroRttBlockedUntil = now + ZERO_RTT_BLOCK_MS
  }

  /** It accepted a zero-RTT opening. */
  servedZeroRtt(now: number): void {
    this.zeroRttServedAt = now
  }

  /** An ordinary handshake would fare no better than a zero-RTT one that nothing is heard of. */
  zeroRttPasses(now: number): boolean {
    return now - this.zeroRttServedAt < ZERO_RTT_TRUST_MS
  }

  zeroRttFits(now: number): boolean {
    return now >= this.zeroRttBlockedUntil
  }

  /** True when a new connection should try it before others. */
  get preferred(): boolean {
    return this.state === 'up' || this.state === 'unknown'
  }

  private enter(state: GatewayState): boolean {
    const changed = this.state !== state
    this.state = state
    return changed
  }
}
