/** Which handshake a dial uses. */
export const ZERO_RTT = 0
export const ORDINARY = 1

/** Why a dial did not end in `accepted`. */
export const Outcome = {
  /** No connection came about: ECONNREFUSED, EHOSTUNREACH, … */
  Refused: 0,
  /** RST or FIN before a reply; the gateway's kernel had acknowledged no byte. */
  Reset: 1,
  /** The same after it had: the gateway may have passed the early bytes on. */
  ResetAfterAck: 2,
  /** No byte acknowledged within the confirm timeout. */
  Silent: 3,
  /** The gateway asks the edge to show that it is alive. */
  Challenge: 4,
  /** The gateway cannot or may not serve this connection, and has passed nothing on. */
  Declined: 5,
  /** The gateway has served this nonce: the origin has the bytes. */
  Duplicate: 6,
} as const

export const OUTCOMES = ['refused', 'reset', 'reset-after-ack', 'silent', 'challenge', 'declined', 'duplicate'] as const

/** A step: gateway index × 2 + handshake. */
export const gatewayOf = (step: number): number => step >> 1
export const handshakeOf = (step: number): number => step & 1

export const stepOf = (gateway: number, handshake: number): number => gateway * 2 + handshake

/** The client gets an RST. */
export const GIVE_UP = -1
/** There is nothing better than to wait for this dial, until the connect deadline. */
export const STAY = -2
/** The same for now: ask again after another silence. */
export const WAIT = -3

/** Gateways of one service, at most: the history is bits of a number. */
export const MAX_GATEWAYS = 30

/** What one connection has tried, a bit per gateway; reused. */
export class DialHistory {
  zeroRtt = 0
  ordinary = 0
  /** Gateways that were asked again after a reset that may have followed delivery. */
  askedAgain = 0
  challenged = 0

  clear(): void {
    this.zeroRtt = 0
    this.ordinary = 0
    this.askedAgain = 0
    this.challenged = 0
  }
}

/** What the plan must know of a gateway. */
export interface DialCandidate {
  readonly preferred: boolean
  zeroRttFits(now: number): boolean
  /** Others have just been accepted with the zero-RTT handshake: silence says nothing about it. */
  zeroRttPasses(now: number): boolean
}

export interface DialPolicy {
  readonly zeroRtt: boolean
  /**
   * Try another gateway although the one before may have passed the early bytes on (silence, or a reset after it had
   * acknowledged them). The origin can then see them twice.
   */
  readonly retryOtherGateway: boolean
}

/**
 * The first step of a connection: the first preferred gateway in the service's order, or the first of all when none is.
 */
export function firstDial(
  history: DialHistory,
  candidates: readonly DialCandidate[],
  policy: DialPolicy,
  now: number,
): number {
  return otherGateway(history, candidates, policy, now)
}

/**
 * The step after one that failed. Every gateway is tried at most once with each handshake, and once more in answer to a
 * challenge or after an ambiguous reset, so the plan ends.
 */
export function nextDial(
  history: DialHistory,
  step: number,
  outcome: number,
  candidates: readonly DialCandidate[],
  policy: DialPolicy,
  now: number,
): number {
  const gateway = gatewayOf(step)
  const bit = 1 << gateway
  switch (outcome) {
    case Outcome.Challenge: {
      if ((history.challenged & bit) !== 0) return otherGateway(history, candidates, policy, now)
      history.challenged |= bit
      return step
    }

    case Outcome.Duplicate: {
      return GIVE_UP
    }

    case Outcome.Reset: {
      // Without an acknowledged byte nothing was passed on. The ordinary handshake may still do.
      if (handshakeOf(step) === ZERO_RTT && (history.ordinary & bit) === 0) return take(history, gateway, ORDINARY)
      return otherGateway(history, candidates, policy, now)
    }

    case Outcome.ResetAfterAck: {
      // The gateway itself knows whether it passed the bytes on: it refuses a nonce that it has served.
      if ((history.askedAgain & bit) === 0) {
        history.askedAgain |= bit
        return take(history, gateway, ORDINARY)
      }

      return policy.retryOtherGateway ? otherGateway(history, candidates, policy, now) : GIVE_UP
    }

    case Outcome.Silent: {
      const other = policy.retryOtherGateway ? otherGateway(history, candidates, policy, now) : GIVE_UP
      if (other !== GIVE_UP) return other
      if (handshakeOf(step) === ORDINARY || (history.ordinary & bit) !== 0) return STAY
      // The kernel sends the opening again; another dial would have to be for another connection once it gets through.
      return candidates[gateway].zeroRttPasses(now) ? WAIT : take(history, gateway, ORDINARY)
    }

    default: {
      // Refused and declined: nothing was passed on by this dial, but an earlier one may have been ambiguous.
      if (history.askedAgain !== 0 && !policy.retryOtherGateway) return GIVE_UP
      return otherGateway(history, candidates, policy, now)
    }
  }
}

/** The next untried gateway, preferred ones first, each group in the service's order. */
function otherGateway(
  history: DialHistory,
  candidates: readonly DialCandidate[],
  policy: DialPolicy,
  now: number,
): number {
  const tried = history.zeroRtt | history.ordinary
  let fallback = -1
  for (const [i, candidate] of candidates.entries()) {
    if ((tried & (1 << i)) !== 0) continue
    if (candidate.preferred) {
      return take(history, i, policy.zeroRtt && candidate.zeroRttFits(now) ? ZERO_RTT : ORDINARY)
    }

    if (fallback < 0) fallback = i
  }

  if (fallback < 0) return GIVE_UP
  return take(history, fallback, policy.zeroRtt && candidates[fallback].zeroRttFits(now) ? ZERO_RTT : ORDINARY)
}

function take(history: DialHistory, gateway: number, handshake: number): number {
  if (handshake === ZERO_RTT) history.zeroRtt |= 1 << gateway
  else history.ordinary |= 1 << gateway
  return gateway * 2 + handshake
}
