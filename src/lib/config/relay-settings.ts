import {availableParallelism} from 'node:os'
import {readFileSync} from 'node:fs'

import {OverlayError} from '../errors/index.js'
import {OriginAllowList} from '../relay/origin-allow-list.js'
import type {Limit} from '../relay/meter.js'
import type {PairSettings} from '../pair/pair-config.js'
import type {EdgeConfig, EdgeServiceConfig, GatewayConfig} from '../relay/process-config.js'
import {formatEndpoint, parseEndpoint, type Endpoint} from '../wire/endpoint.js'
import {readConfigFile} from './config-file.js'
import {DEFAULTS} from './defaults.js'
import {parseDuration} from './duration.js'
import {edgeServices} from './edge-services.js'
import {pairSettings} from './pair-settings.js'
import {Resolution} from './resolution.js'
import {pairProcesses, type EdgeSection, type GatewaySection} from './schema.js'

/** Descriptors that a relay process needs beside those of connections. */
const SPARE_DESCRIPTORS = 64

/** A client may have so many connections by default, however few the process may have. */
const LEAST_OF_A_CLIENT = 64

/** What edge and gateway need to start, beside their processes' configuration. */
export interface RelaySettings<Config> {
  name: string
  processes: number
  keyFile: string
  drainTimeoutMs: number
  /** The same when the host is shutting down. */
  shutdownDrainTimeoutMs: number
  zeroRtt: boolean
  /** Interfaces of the handshake plane; empty for those that the routes name. */
  interfaces: string[]
  /** Initial congestion window of the middle leg in segments; 0 leaves the kernel's. */
  initialWindow: number
  /** Seconds that the handshake plane's clock is off, for tests and scenarios. */
  clockOffsetSeconds: number
  listeners: Endpoint[]
  /** Where a gateway's packet echo listens; null for nowhere, and at an edge. */
  echo: Endpoint | null
  /** Where metrics are served; null for nowhere. */
  metrics: Endpoint | null
  /** Null for a server of its own. */
  pair: PairSettings | null
  config: Config
}

/** Flags of both commands, as the parser leaves them: from the command line, or else from the environment. */
interface CommonFlags {
  name: string
  config?: string
  'key-file'?: string
  interface?: string[]
  processes?: number
  'zero-rtt'?: boolean
  'congestion-control'?: string
  'initial-window'?: number
  'clock-offset'?: number
  'replication-versions'?: string
  'idle-timeout'?: string
  'connect-timeout'?: string
  'drain-timeout'?: string
  'shutdown-drain-timeout'?: string
  'max-connections'?: number
}

export interface EdgeFlags extends CommonFlags {
  listen?: string
  origin?: string
  gateway?: string[]
  'confirm-timeout'?: string
  'health-interval'?: string
  'retry-other-gateway'?: boolean
  'max-client-connections'?: number
  'max-client-rate'?: number
}

export interface GatewayFlags extends CommonFlags {
  listen?: string[]
  'allow-origin'?: string[]
  'preamble-timeout'?: string
  'max-pending'?: number
  'max-origin-connections'?: number
  'max-origin-rate'?: number
  echo?: string
}

/**
 * Flag or environment, else file, else default.
 *
 * @param resolution remembers where each value comes from
 * @throws OverlayError USAGE, CONFIG_INVALID
 */
export function edgeSettings(flags: EdgeFlags, resolution = new Resolution('edge')): RelaySettings<EdgeConfig> {
  const file = (flags.config === undefined ? undefined : readConfigFile(flags.config).edge) ?? {}
  const services = edgeServices(flags, file, resolution)
  const common = commonSettings(flags, file, resolution)
  const timeouts = {
    confirmTimeoutMs: timeout('confirmTimeout', 'confirm-timeout', flags, file, resolution),
    healthIntervalMs: timeout('healthInterval', 'health-interval', flags, file, resolution),
  }
  const retryOtherGateway = resolution.pick(
    {
      key: 'retryOtherGateway',
      flag: 'retry-other-gateway',
      byFlag: flags['retry-other-gateway'],
      byFile: file.retryOtherGateway,
    },
    DEFAULTS.retryOtherGateway,
  )
  const {maxConnections} = common.config.limits
  const clientLimit = limit('maxClient', 'max-client', flags, file, resolution, {
    connections: Math.max(LEAST_OF_A_CLIENT, Math.floor(maxConnections / 2)),
    rate: DEFAULTS.maxClientRate,
  })
  const gateways = new Map<string, Endpoint>()
  for (const service of services) for (const gateway of service.gateways) gateways.set(formatEndpoint(gateway), gateway)
  const names = [...gateways.keys()]
  return {
    ...common,
    listeners: services.map((service) => service.listen),
    echo: null,
    config: {
      role: 'edge',
      ...common.config,
      zeroRtt: common.zeroRtt,
      services: services.map((service): EdgeServiceConfig => ({
        ...service,
        gateways: service.gateways.map((gateway) => names.indexOf(formatEndpoint(gateway))),
      })),
      gateways: [...gateways.values()],
      ...timeouts,
      retryOtherGateway,
      clientLimit,
    },
  }
}

/**
 * The same for a gateway.
 *
 * @throws OverlayError USAGE, CONFIG_INVALID
 */
export function gatewaySettings(
  flags: GatewayFlags,
  resolution = new Resolution('gateway'),
): RelaySettings<GatewayConfig> {
  const file = (flags.config === undefined ? undefined : readConfigFile(flags.config).gateway) ?? {}
  const listen = resolution.need<readonly Endpoint[]>(
    {
      key: 'listen',
      flag: 'listen',
      byFlag: flags.listen?.map((text) => parseEndpoint(text, '--listen')),
      byFile: file.listen,
    },
    [],
    (endpoints) => endpoints.map((endpoint) => formatEndpoint(endpoint)),
  )
  const allowOrigins = resolution.need<readonly string[]>(
    {key: 'allowOrigins', flag: 'allow-origin', byFlag: flags['allow-origin'], byFile: file.allowOrigins},
    [],
  )
  // For its errors: the relay processes read it again.
  const origins = new OriginAllowList(allowOrigins, '--allow-origin')
  const common = commonSettings(flags, file, resolution)
  const {maxConnections} = common.config.limits
  const originLimit = limit('maxOrigin', 'max-origin', flags, file, resolution, {
    connections: DEFAULTS.maxOriginConnections,
    rate: DEFAULTS.maxOriginRate,
  })
  const maxPending = {key: 'maxPending', flag: 'max-pending', byFlag: flags['max-pending'], byFile: file.maxPending}
  return {
    ...common,
    listeners: [...listen],
    echo: resolution.pick<Endpoint | null>(
      {
        key: 'echo',
        flag: 'echo',
        byFlag: flags.echo === undefined ? undefined : parseEndpoint(flags.echo, '--echo'),
        byFile: file.echo,
      },
      null,
      (endpoint) => (endpoint === null ? null : formatEndpoint(endpoint)),
    ),
    config: {
      role: 'gateway',
      ...common.config,
      listen: [...listen],
      allowOrigins: [...origins.texts],
      preambleTimeoutMs: timeout('preambleTimeout', 'preamble-timeout', flags, file, resolution),
      maxPending: Math.min(
        maxConnections,
        resolution.pick(maxPending, DEFAULTS.maxPending, (count) => Math.min(count, maxConnections)),
      ),
      originLimit,
      replayWindowPath: '',
    },
  }
}

function commonSettings(flags: CommonFlags, file: EdgeSection | GatewaySection, resolution: Resolution) {
  const {role} = resolution
  const keyFile = resolution.need(
    {key: 'keyFile', flag: 'key-file', byFlag: flags['key-file'], byFile: file.keyFile},
    '',
  )
  const pair =
    file.pair === undefined ? null : pairSettings(file.pair, {versions: flags['replication-versions'], resolution})
  const processes = resolution.pick(
    {key: 'processes', flag: 'processes', byFlag: flags.processes, byFile: file.processes},
    pair === null ? availableParallelism() : 1,
  )
  if (pair !== null && processes !== 1) {
    throw new OverlayError('CONFIG_INVALID', `${role}.processes: ${pairProcesses(processes)}`, {
      suggestions: ['leave processes away'],
    })
  }

  const drainTimeoutMs = timeout('drainTimeout', 'drain-timeout', flags, file, resolution)
  return {
    name: flags.name,
    metrics: resolution.pick<Endpoint | null>(
      {key: 'metrics.listen', byFile: file.metrics?.listen},
      null,
      (endpoint) => (endpoint === null ? null : formatEndpoint(endpoint)),
    ),
    processes,
    pair,
    keyFile,
    zeroRtt: resolution.pick(
      {key: 'zeroRtt', flag: 'zero-rtt', byFlag: flags['zero-rtt'], byFile: file.zeroRtt},
      DEFAULTS.zeroRtt as boolean,
    ),
    interfaces: resolution.pick<string[]>(
      {key: 'interfaces', flag: 'interface', byFlag: flags.interface, byFile: file.interfaces},
      [],
    ),
    initialWindow: resolution.pick<number>(
      {key: 'initialWindow', flag: 'initial-window', byFlag: flags['initial-window'], byFile: file.initialWindow},
      DEFAULTS.initialWindow,
    ),
    clockOffsetSeconds: flags['clock-offset'] ?? 0,
    drainTimeoutMs,
    shutdownDrainTimeoutMs: resolution.duration(
      {
        key: 'shutdownDrainTimeout',
        flag: 'shutdown-drain-timeout',
        byFlag: duration(flags, 'shutdown-drain-timeout'),
        byFile: file.shutdownDrainTimeout,
      },
      drainTimeoutMs,
    ),
    config: {
      congestionControl: resolution.pick<string | null>(
        {
          key: 'congestionControl',
          flag: 'congestion-control',
          byFlag: flags['congestion-control'],
          byFile: file.congestionControl,
        },
        null,
      ),
      connectTimeoutMs: timeout('connectTimeout', 'connect-timeout', flags, file, resolution),
      pair: null,
      limits: {
        idleTimeoutMs: timeout('idleTimeout', 'idle-timeout', flags, file, resolution),
        maxConnections: resolution.pick(
          {
            key: 'maxConnections',
            flag: 'max-connections',
            byFlag: flags['max-connections'],
            byFile: file.maxConnections,
          },
          connectionsThatFit(),
        ),
      },
    },
  }
}

/** `maxClientConnections` and `maxClientRate`, or the same of origins. */
function limit(
  key: string,
  flag: string,
  flags: object,
  file: object,
  resolution: Resolution,
  byDefault: Limit,
): Limit {
  const one = (what: 'Connections' | 'Rate', otherwise: number): number => {
    const name = `${flag}-${what.toLowerCase()}`
    const sources = {key: key + what, flag: name, byFlag: numberIn(flags, name), byFile: numberIn(file, key + what)}
    return resolution.pick<number>(sources, otherwise)
  }

  return {connections: one('Connections', byDefault.connections), rate: one('Rate', byDefault.rate)}
}

function numberIn(holder: object, name: string): number | undefined {
  return (holder as Record<string, number | undefined>)[name]
}

type Timeouts = {
  [Key in keyof typeof DEFAULTS as (typeof DEFAULTS)[Key] extends number ? Key : never]?: number
}

/** ms. */
function timeout(
  key: 'confirmTimeout' | 'connectTimeout' | 'drainTimeout' | 'healthInterval' | 'idleTimeout' | 'preambleTimeout',
  flag: string,
  flags: object,
  file: Timeouts,
  resolution: Resolution,
): number {
  return resolution.duration({key, flag, byFlag: duration(flags, flag), byFile: file[key]}, DEFAULTS[key])
}

/** The value of a flag that holds a duration; ms. */
function duration(flags: object, name: string): number | undefined {
  const text = (flags as Record<string, unknown>)[name]
  return typeof text === 'string' ? parseDuration(text, `--${name}`) : undefined
}

/** Two descriptors a connection, out of what a process may open. Node raises the soft limit to the hard one. */
function connectionsThatFit(): number {
  const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
  const descriptors = match ? Number(match[1]) : 1024
  return Math.max(16, Math.min(1_000_000, Math.floor((descriptors - SPARE_DESCRIPTORS) / 2)))
}
