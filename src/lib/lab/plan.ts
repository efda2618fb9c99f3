import {OverlayError} from '../errors/index.js'
import {DEFAULT_DIRECTION, directionChange, type DirectionParameters} from './link-parameters.js'
import {DEFAULT_RTT_MS, LINK_NAMES, type LabSpec, type LinkName} from './spec.js'

/** One interface of a lab host, with its addresses and prefix lengths apart. */
export interface HostInterface {
  name: string
  mac: string
  ipv4: string
  ipv6: string
}

export interface Route {
  /** `10.77.3.0/24`, `fd77:3::/64` or `default`. */
  to: string
  via: string
}

export interface HostPlan {
  /** client, edge, gateway, origin; of a pair edge-a, edge-b, gateway-a, gateway-b. */
  name: string
  namespace: string
  forwards: boolean
  /** By the name of the link. */
  interfaces: Record<string, HostInterface>
  routes: Route[]
}

/** One side of a link: a host, or the two members of a pair on a bridge. */
export interface SidePlan {
  /** client, edge, gateway, origin; edge-a and so on for a replication link. */
  name: string
  hosts: string[]
  /** The interface in the wire namespace that the link's engine works on. */
  lineInterface: string
  /** Where the engine's interface does not face the host itself: the bridge that joins the pair. */
  bridge?: string
}

export interface LinkPlan {
  name: LinkName
  /** n of 10.77.n.0/24 and fd77:n::/64. */
  network: number
  near: SidePlan
  far: SidePlan
  /** Parameters of the direction from near to far. */
  towardsFar: DirectionParameters
  towardsNear: DirectionParameters
}

export interface LabPlan {
  wire: string
  hosts: HostPlan[]
  links: LinkPlan[]
}

type Role = 'client' | 'edge' | 'gateway' | 'origin'
const PATH: Role[] = ['client', 'edge', 'gateway', 'origin']

/**
 * Works out namespaces, interfaces, addresses and routes of a lab. In network n the near side has host numbers 11 (and
 * 12), the far side 21 (and 22); 10 and 20 stay free for an address that a pair shares.
 *
 * @param id goes into the names of the namespaces: `ov-<id>-<host>`
 * @throws OverlayError CONFIG_INVALID for a replication link without its pair, or an unknown side in `towards`
 */
export function planLab(spec: LabSpec, id: string): LabPlan {
  const pairs = new Set<Role>(spec.pairs)
  const members = (role: Role): string[] => (pairs.has(role) ? [`${role}-a`, `${role}-b`] : [role])
  const hosts: HostPlan[] = PATH.flatMap((role) => members(role)).map((name) => ({
    name,
    namespace: `ov-${id}-${name}`,
    forwards: name !== 'client' && name !== 'origin',
    interfaces: {},
    routes: [],
  }))
  const sides: Record<LinkName, [string[], string[]] | undefined> = {
    'client-edge': [members('client'), members('edge')],
    'edge-gateway': [members('edge'), members('gateway')],
    'gateway-origin': [members('gateway'), members('origin')],
    'edge-replication': pairs.has('edge') ? [['edge-a'], ['edge-b']] : undefined,
    'gateway-replication': pairs.has('gateway') ? [['gateway-a'], ['gateway-b']] : undefined,
  }
  const links: LinkPlan[] = []
  for (const [index, name] of LINK_NAMES.entries()) {
    const ends = sides[name]
    if (!ends) {
      if (spec.links?.[name]) {
        throw new OverlayError('CONFIG_INVALID', `links.${name}: this lab has no such link`, {
          suggestions: [`pairs: [${name.split('-')[0]}]`],
        })
      }

      continue
    }

    const link = planLink(spec, name, index + 1, ends)
    links.push(link)
    for (const [side, other, base] of [
      [link.near, link.far, 11],
      [link.far, link.near, 21],
    ] as const) {
      for (const [member, hostName] of side.hosts.entries()) {
        const host = hosts.find((candidate) => candidate.name === hostName)!
        host.interfaces[name] = planInterface(`to-${other.name}`, link.network, base + member)
      }
    }
  }

  for (const host of hosts) host.routes = routesOf(host, hosts)
  return {wire: `ov-${id}-wire`, hosts, links}
}

/** Finds a link's side by name. */
export function sideNames(link: LinkPlan): [string, string] {
  return [link.near.name, link.far.name]
}

function planLink(spec: LabSpec, name: LinkName, network: number, [near, far]: [string[], string[]]): LinkPlan {
  const {towards = {}, ...both} = spec.links?.[name] ?? {}
  const defaultRttMs = spec.linkEngine === 'bridge' ? 0 : DEFAULT_RTT_MS[name]
  const delay = both.delayMs ?? (both.rttMs ?? defaultRttMs) / 2
  const seed = (spec.seed ?? 1) * 10 + network
  const common = {...DEFAULT_DIRECTION, seed, ...directionChange({...both, rttMs: undefined}), delayMs: delay}
  const [nearName, farName] = [sideName(near), sideName(far)]
  for (const side of Object.keys(towards)) {
    if (side === nearName || side === farName) continue
    throw new OverlayError('CONFIG_INVALID', `links.${name}.towards.${side}: the link has no such side`, {
      suggestions: [`its sides are ${nearName} and ${farName}`],
    })
  }

  return {
    name,
    network,
    near: planSide(nearName, near, network, 'n'),
    far: planSide(farName, far, network, 'f'),
    towardsFar: {...common, ...directionChange(towards[farName] ?? {})},
    towardsNear: {...common, ...directionChange(towards[nearName] ?? {})},
  }
}

function sideName(hosts: string[]): string {
  return hosts.length === 1 ? hosts[0] : hosts[0].replace(/-a$/, '')
}

function planSide(name: string, hosts: string[], network: number, end: 'n' | 'f'): SidePlan {
  const bridge = hosts.length > 1 ? `br${network}${end}` : undefined
  return {name, hosts, lineInterface: `line${network}${end}`, bridge}
}

const hex = (number: number): string => number.toString(16).padStart(2, '0')

function planInterface(name: string, network: number, hostNumber: number): HostInterface {
  return {
    name,
    mac: `02:6f:76:00:${hex(network)}:${hex(hostNumber)}`,
    ipv4: `10.77.${network}.${hostNumber}`,
    ipv6: `fd77:${network}::${hostNumber}`,
  }
}

/** Next hops along the path; of a pair the first member forwards. */
function routesOf(host: HostPlan, hosts: HostPlan[]): Route[] {
  const role = PATH.findIndex((name) => host.name === name || host.name.startsWith(`${name}-`))
  const address = (roleIndex: number, link: LinkName): HostInterface => {
    const name = PATH[roleIndex]
    return hosts.find((other) => other.name === name || other.name === `${name}-a`)!.interfaces[link]!
  }

  const towards = (hop: HostInterface, network: number | null): Route[] => [
    {to: network === null ? 'default' : `10.77.${network}.0/24`, via: hop.ipv4},
    {to: network === null ? 'default' : `fd77:${network}::/64`, via: hop.ipv6},
  ]
  if (role === 0) return towards(address(1, 'client-edge'), null)
  if (role === 1) return towards(address(2, 'edge-gateway'), 3)
  if (role === 2) return towards(address(1, 'edge-gateway'), 1)
  return towards(address(2, 'gateway-origin'), null)
}
