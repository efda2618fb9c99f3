import {setTimeout as sleep} from 'node:timers/promises'

import {neighbourState, verifyNeighbour, type Neighbour} from '../handshake/neighbours.js'

/** The kernel asks three times, a second apart (mcast_solicit and retrans_time of the neigh sysctls). */
const DEADLINE_MS = 4000
const POLL_MS = 50
/** The kernel is asking: for an address that it does not know, or whether one that it knows still holds. */
const ASKING = new Set(['INCOMPLETE', 'PROBE'])

/** What the kernel knows of a next hop. */
export interface Neighbours {
  /** The state of its entry, e.g. `FAILED`; null where there is none. */
  look(hop: Neighbour): string | null
  /** Has the kernel ask whether an entry that it does not doubt still holds; false when it does not ask. */
  verify(hop: Neighbour): boolean
}

const KERNEL: Neighbours = {look: neighbourState, verify: verifyNeighbour}

/**
 * Does nobody answer ARP, or neighbour discovery, for the next hop? Has the kernel ask where it does not doubt its entry, and
 * waits while it asks, 4 s at most. A next hop that has no entry (a link without addresses), or one that is not to be
 * doubted (permanent, kept by another program), is not dead.
 */
export async function isNextHopDead(
  hop: Neighbour,
  abandon: AbortSignal,
  {look, verify}: Neighbours = KERNEL,
): Promise<boolean> {
  const until = performance.now() + DEADLINE_MS
  let verified = false
  for (;;) {
    const state = look(hop)
    if (state === 'FAILED') return true
    if (state === null || abandon.aborted || performance.now() > until) return false
    if (!ASKING.has(state)) {
      if (verified || !verify(hop)) return false
      verified = true
    }

    await sleep(POLL_MS, undefined, {signal: abandon}).catch(() => {})
  }
}
