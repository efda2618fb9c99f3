import {execFileSync} from 'node:child_process'

import {routeTo} from './network-device.js'

export interface Neighbour {
  device: string
  address: string
}

function ip(args: string[]): null | string {
  try {
    return execFileSync('ip', args, {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']})
  } catch {
    return null
  }
}

/**
 * The kernel's entry of a neighbour, in the words of ip-neighbour(8): `REACHABLE`, `INCOMPLETE`, `FAILED`. Null where there
 * is none, as on links without addresses.
 */
export function neighbourState({device, address}: Neighbour): null | string {
  const text = ip(['-json', 'neigh', 'show', 'to', address, 'dev', device])
  const [entry] = text === null || text.trim() === '' ? [] : (JSON.parse(text) as {state?: string[]}[])
  return entry?.state?.[0] ?? null
}

/**
 * Has the kernel keep the next hops toward these addresses resolved (NTF_EXT_MANAGED, Linux 5.16), so that no connect()
 * waits for ARP or neighbour discovery. Entries that an operator made permanent are left alone, and a kernel that knows
 * no managed entries goes without: only the first connect() after an idle time then waits.
 *
 * @param known those kept already
 * @returns the entries made
 */
export function keepResolved(addresses: readonly string[], known: readonly Neighbour[]): Neighbour[] {
  const made: Neighbour[] = []
  for (const address of addresses) {
    let hop: Neighbour
    try {
      const route = routeTo(address)
      hop = {device: route.device, address: route.nextHop}
    } catch {
      continue
    }

    const held = [...known, ...made].some((other) => other.device === hop.device && other.address === hop.address)
    if (hop.device === 'lo' || held) continue
    const entry = ip(['neigh', 'show', 'to', hop.address, 'dev', hop.device])
    if (entry?.includes('PERMANENT')) continue
    if (ip(['neigh', 'replace', hop.address, 'dev', hop.device, 'managed']) !== null) made.push(hop)
  }

  return made
}

/** Removes entries made by {@link keepResolved}; the kernel resolves them anew when they are needed. */
export function letGo(neighbours: readonly Neighbour[]): void {
  for (const {device, address} of neighbours) ip(['neigh', 'del', address, 'dev', device])
}
