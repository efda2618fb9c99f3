import {z} from 'zod'

import {MAX_GATEWAYS} from '../relay/dial-plan.js'
import {addressBytes, formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import {DEFAULTS} from './defaults.js'
import {formatDuration} from './duration.js'
import {pair} from './pair-schema.js'
import {
  allowedOrigin,
  congestionControlName,
  duration,
  endpoint,
  interfaceName,
  listRule,
  needed,
  optional,
  path,
  repeated,
  rule,
  type RuleProblem,
} from './values.js'

/**
 * The configuration file: what may stand in it, and how values are read. Whatever `start` would refuse of what stands in
 * the file is refused here, so that `config check` and `start` agree. Descriptions and defaults go into docs/CONFIG.md
 * and the JSON Schema.
 */

const processes = z.int().min(1).max(64)
const connections = z.int().min(1).max(1_000_000)

/** 0 stands for no limit. */
const limit = z.int().min(0).max(1_000_000)

/** Addresses of one gateway, e.g. one of each family. */
const MAX_LISTENERS = 16

/** Each has a descriptor in every process. */
const MAX_SERVICES = 256

/** Rules of one allow-list; each dial looks through it. */
const MAX_ORIGINS = 1024

/** Size of the handshake plane's map of gateways (bpf/handshake-edge.bpf.c). */
const MAX_DISTINCT_GATEWAYS = 1024

const MAX_INTERFACES = 16

const service = z
  .strictObject({
    name: needed(
      z.string().regex(/^[\dA-Za-z][\w.-]{0,31}$/, 'not 1 to 32 letters, digits, dots, dashes or underscores'),
      'shown in status',
    ),
    listen: needed(endpoint, 'where clients connect'),
    origin: needed(endpoint, 'where a gateway connects to for them'),
    gateways: needed(z.array(endpoint).min(1).max(MAX_GATEWAYS), 'the preferred one first'),
    maxConnections: optional(limit, 'connections of this service in one process at a time; 0 for no limit', 0),
    maxRate: optional(limit, 'new connections a second of this service in one process; 0 for no limit', 0),
  })
  .check(
    rule(['gateways'], ({gateways}) =>
      repeated(gateways, same, (gateway, index) => ({
        at: ['gateways', index],
        message: `${formatEndpoint(gateway)} stands there twice`,
      })),
    ),
  )

type Service = z.output<typeof service>

/** Keys that edge and gateway share. */
const common = {
  keyFile: optional(path, 'file with the keys that edges and gateways share, mode 600; needed, here or by flag'),
  processes: optional(processes, 'relay processes; as many as there are CPUs when left out, one in a pair'),
  zeroRtt: optional(z.boolean(), 'zero-RTT handshake on the middle leg', DEFAULTS.zeroRtt),
  interfaces: optional(
    z.array(interfaceName).max(MAX_INTERFACES),
    'of the middle leg; found from the routing table when left out',
  ),
  congestionControl: optional(
    congestionControlName,
    "of the middle leg; when left out the handshake plane's choice, else the host's",
  ),
  initialWindow: optional(
    z.int().min(0).max(1000),
    "initial congestion window of the middle leg, segments; 0 is the kernel's",
    DEFAULTS.initialWindow,
  ),
  idleTimeout: optional(
    duration,
    'a connection without a byte for so long is reset',
    formatDuration(DEFAULTS.idleTimeout),
  ),
  connectTimeout: optional(duration, 'for the far side to be reached', formatDuration(DEFAULTS.connectTimeout)),
  drainTimeout: optional(duration, 'that open connections get after SIGTERM', formatDuration(DEFAULTS.drainTimeout)),
  shutdownDrainTimeout: optional(
    duration,
    'the same when systemd is shutting the host down; drainTimeout when left out',
  ),
  maxConnections: optional(
    connections,
    'connections of one process at a time; when left out half of its descriptors less 64',
  ),
  metrics: optional(
    z.strictObject({
      listen: needed(endpoint, 'where metrics are served by HTTP at /metrics, to whoever can reach it (METRICS.md)'),
    }),
    'Prometheus metrics; served nowhere when left out',
  ),
  pair: optional(pair, 'the other server of this region; without it this is a server of its own'),
}

/** `processes` of a member of a pair. */
const onePairProcess = rule<{pair?: unknown; processes?: number}>(['processes'], (section) =>
  section.pair !== undefined && section.processes !== undefined && section.processes !== 1
    ? [{at: ['processes'], message: pairProcesses(section.processes)}]
    : [],
)

const edge = z
  .strictObject({
    ...common,
    confirmTimeout: optional(
      duration,
      'beyond the round trip, after which a silent gateway is given up',
      formatDuration(DEFAULTS.confirmTimeout),
    ),
    healthInterval: optional(duration, 'between health checks of a gateway', formatDuration(DEFAULTS.healthInterval)),
    maxClientConnections: optional(
      limit,
      'connections of one client address (IPv6: /64) in one process at a time, 0 for no limit; when left out half of maxConnections, 64 at least',
    ),
    maxClientRate: optional(
      limit,
      'new connections a second of one client address (IPv6: /64) in one process; 0 for no limit',
      DEFAULTS.maxClientRate,
    ),
    retryOtherGateway: optional(
      z.boolean(),
      'dial another gateway even when the silent one may have passed the first bytes on, so that the origin may see them twice',
      DEFAULTS.retryOtherGateway,
    ),
    services: optional(
      z.array(service).min(1).max(MAX_SERVICES),
      'each has one listener, one origin and its gateways; needed, here or one by flags',
    ),
  })
  .check(
    onePairProcess,
    listRule<'services', Service>('services', (services) => [
      ...repeated(
        services,
        ({name}) => name,
        ({name}, index) => ({at: ['services', index, 'name'], message: `two services are named "${name}"`}),
      ),
      ...repeated(
        services,
        ({listen}) => same(listen),
        ({listen, name}, index, first) => ({
          at: ['services', index, 'listen'],
          message: `"${services[first]?.name}" and "${name}" both listen on ${formatEndpoint(listen)}`,
        }),
      ),
      ...tooManyGateways(services.flatMap((each) => each?.gateways ?? [])),
    ]),
  )

const gateway = z
  .strictObject({
    ...common,
    listen: optional(
      z.union([endpoint.transform((one) => [one]), z.array(endpoint).min(1).max(MAX_LISTENERS)]),
      'where edges connect: one, or a list, e.g. one of each address family; needed, here or by flag',
    ),
    allowOrigins: optional(
      z.array(allowedOrigin).min(1).max(MAX_ORIGINS),
      'origins that edges may reach, ADDRESS[/LENGTH]:PORT; PORT may be a range or *; needed, here or by flag',
    ),
    preambleTimeout: optional(
      duration,
      'in which a connection must show its preamble',
      formatDuration(DEFAULTS.preambleTimeout),
    ),
    maxPending: optional(
      connections,
      'connections of one process that have shown none, the oldest goes first',
      DEFAULTS.maxPending,
    ),
    maxOriginConnections: optional(
      limit,
      'connections to one origin, address and port, of one process at a time; 0 for no limit',
      DEFAULTS.maxOriginConnections,
    ),
    maxOriginRate: optional(
      limit,
      'new connections a second to one origin of one process; 0 for no limit',
      DEFAULTS.maxOriginRate,
    ),
    echo: optional(
      endpoint,
      'where probes that hold the key may ask how their packets arrived (PROBE.md); nowhere when left out',
    ),
  })
  .check(
    onePairProcess,
    rule(['listen'], ({listen = []}) =>
      repeated(listen, same, (each, index) => ({
        at: ['listen', index],
        message: `${formatEndpoint(each)} stands there twice`,
      })),
    ),
  )

export const configSchema = z
  .strictObject({
    edge: optional(edge, 'of this host'),
    gateway: optional(gateway, 'of this host'),
  })
  .check(
    rule<{edge?: unknown; gateway?: unknown}>(['edge', 'gateway'], (file) =>
      file.edge === undefined && file.gateway === undefined
        ? [{at: [], message: 'neither edge nor gateway stands in it'}]
        : [],
    ),
  )

export type ConfigFile = z.output<typeof configSchema>
export type EdgeSection = NonNullable<ConfigFile['edge']>
export type GatewaySection = NonNullable<ConfigFile['gateway']>

/** Why a member of a pair cannot have so many; flags and environment can say it too. */
export function pairProcesses(count: number): string {
  return `${count}, but a member of a pair has one`
}

/** Equal for endpoints that are the same socket address, however they are written. */
function same({address, port}: Endpoint): string {
  return `${addressBytes(address).toString('hex')}:${port}`
}

function tooManyGateways(gateways: readonly Endpoint[]): RuleProblem[] {
  const {size} = new Set(gateways.map((each) => same(each)))
  return size > MAX_DISTINCT_GATEWAYS
    ? [{at: ['services'], message: `${size} different gateways; at most ${MAX_DISTINCT_GATEWAYS} are served`}]
    : []
}
