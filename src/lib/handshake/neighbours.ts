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

/** As `ip -json neigh show` prints it: flags are keys without a value. */
export interface NeighbourEntry {
  state?: string[]
  [flag: string]: unknown
}

function neighbourEntry({device, address}: Neighbour): NeighbourEntry | null {
  const text = ip(['-json', 'neigh', 'show', 'to', address, 'dev', device])
  const [entry] = text === null || text.trim() === '' ? [] : (JSON.parse(text) as NeighbourEntry[])
  return entry ?? null
}

/**
 * The kernel's entry of a neighbour, in the words of ip-neighbour(8): `REACHABLE`, `INCOMPLETE`, `FAILED`. Null where there
 * is none, as on links without addresses.
 */
export function neighbourState(neighbour: Neighbour): null | string {
  return neighbourEntry(neighbour)?.state?.[0] ?? null
}

/** The kernel takes the address for good, and would go on for 5 to 50 s before it asks. */
const TRUSTED = new Set(['REACHABLE', 'STALE', 'DELAY'])

/** Of entries that another program keeps: a change from here would clear the flag (neigh_update_flags). */
const KEPT = ['managed', 'extern_learn', 'offload', 'proxy', 'locked']

/** What ip(8) is told to have the kernel verify an entry; null for one that is not to be touched, or is not trusted. Pure. */
export function verifyArguments({device, address}: Neighbour, entry: NeighbourEntry): string[] | null {
  if (!TRUSTED.has(entry.state?.[0] ?? '') || KEPT.some((flag) => flag in entry)) return null
  return ['neigh', 'change', address, 'dev', device, 'nud', 'probe', ...('router' in entry ? ['router'] : [])]
}

/**
 * Has the kernel ask a neighbour that it knows whether it is still there, as it does by itself later: up to three requests, a
 * second apart, to the address that it has (RFC 4861 section 7.3.3, the same over ARP).
 *
 * @returns false when it is not asking: the entry is another's, permanent or gone, or a privilege is missing
 */
export function verifyNeighbour(neighbour: Neighbour): boolean {
  const entry = neighbourEntry(neighbour)
  const args = entry && verifyArguments(neighbour, entry)
  return args !== null && ip(args) !== null
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
