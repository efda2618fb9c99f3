import type {LinkCounters} from './delay-line.js'
import {Lab, type LabHost} from './lab.js'
import type {DirectionParameters} from './link-parameters.js'
import {processesIn} from './processes.js'
import {isOrphan, labNames, readState, type EngineName, type LabState, type LinkState} from './state.js'

export interface LinkDescription {
  name: string
  engine: EngineName
  /** The delays of both directions together, milliseconds; jitter and waiting for the rate come on top. */
  rttMs: number
  /** By the side that packets go towards. */
  towards: Record<string, DirectionParameters & {counters?: LinkCounters}>
}

/** What commands print of a lab. */
export interface LabDescription {
  name: string
  phase: 'building' | 'orphan' | 'up'
  /** The process that the lab ends with; null for one that stays. */
  ownerPid: number | null
  hosts: LabHost[]
  links: LinkDescription[]
  captures: {link: string; host: string; file: string}[]
  /** Programs running in the hosts. */
  processes: number
}

export function describeLab(state: LabState): LabDescription {
  return {
    name: state.name,
    phase: isOrphan(state) ? 'orphan' : state.phase,
    ownerPid: state.owner?.pid ?? null,
    hosts: state.hosts.map(({name, namespace, runDir, interfaces}) => ({name, namespace, runDir, interfaces})),
    links: state.links.map((link) => describeLink(link)),
    captures: state.captures.map(({link, host, file}) => ({link, host, file})),
    processes: processesIn(state.hosts.map((host) => host.namespace)).length,
  }
}

/** The description of a lab that is up, with the counters of its links. */
export async function describeWithCounters(state: LabState): Promise<LabDescription> {
  const description = describeLab(state)
  if (description.phase !== 'up') return description
  const lab = Lab.open(state.name)
  for (const link of description.links) {
    const stats = await lab.linkStats(link.name)
    for (const [side, direction] of Object.entries(link.towards)) direction.counters = stats.towards[side]
  }

  return description
}

/**
 * All labs of this machine, or the one of that name.
 *
 * @throws OverlayError NOT_FOUND for a name
 */
export async function listLabs(name?: string): Promise<LabDescription[]> {
  if (name !== undefined && readState(name) === null) Lab.open(name)
  const states = (name === undefined ? labNames() : [name]).map((candidate) => readState(candidate))
  return Promise.all(states.filter((state) => state !== null).map((state) => describeWithCounters(state)))
}

function describeLink(link: LinkState): LinkDescription {
  const {name, engine, near, far, towardsFar, towardsNear} = link
  return {
    name,
    engine,
    rttMs: towardsFar.delayMs + towardsNear.delayMs,
    towards: {[far.name]: {...towardsFar}, [near.name]: {...towardsNear}},
  }
}
