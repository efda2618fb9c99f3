import {setTimeout as sleep} from 'node:timers/promises'

import {neighbourState, type Neighbour} from '../handshake/neighbours.js'

/** The kernel asks three times, a second apart (mcast_solicit and retrans_time of the neigh sysctls). */
const DEADLINE_MS = 4000
const POLL_MS = 50
/** The kernel is asking: for an address that it does not know, or whether one that it knows still holds. */
const ASKING = new Set(['INCOMPLETE', 'PROBE'])

/**
 * Did nobody answer ARP, or neighbour discovery, for the next hop? Waits while the kernel still asks, 4 s at most. A next
 * hop that has no entry (a link without addresses), or one that the kernel does not doubt yet, is not dead.
 *
 * @param look the state of its entry, e.g. `FAILED`; null where there is none
 */
export async function isNextHopDead(
  hop: Neighbour,
  abandon: AbortSignal,
  look: (hop: Neighbour) => string | null = neighbourState,
): Promise<boolean> {
  const until = performance.now() + DEADLINE_MS
  for (;;) {
    const state = look(hop)
    if (state === 'FAILED') return true
    if (state === null || !ASKING.has(state) || abandon.aborted || performance.now() > until) return false
    await sleep(POLL_MS, undefined, {signal: abandon}).catch(() => {})
  }
}
