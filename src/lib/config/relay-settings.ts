import {availableParallelism} from 'node:os'
import {readFileSync} from 'node:fs'

import {OverlayError} from '../errors/index.js'
import {OriginAllowList} from '../relay/origin-allow-list.js'
import type {PairSettings} from '../pair/pair-config.js'
import type {EdgeConfig, EdgeServiceConfig, GatewayConfig} from '../relay/process-config.js'
import {formatEndpoint, parseEndpoint, type Endpoint} from '../wire/endpoint.js'
import {readConfigFile} from './config-file.js'
import {DEFAULTS} from './defaults.js'
import {parseDuration} from './duration.js'
import {pairSettings} from './pair-settings.js'
import {pairProcesses, type EdgeSection, type GatewaySection} from './schema.js'

/** Descriptors that a relay process needs beside those of connections. */
const SPARE_DESCRIPTORS = 64

/** What edge and gateway need to start, beside their processes' configuration. */
export interface RelaySettings<Config> {
  name: string
  processes: number
  keyFile: string
  drainTimeoutMs: number
  zeroRtt: boolean
  /** Interfaces of the handshake plane; empty for those that the routes name. */
  interfaces: string[]
  /** Initial congestion window of the middle leg in segments; 0 leaves the kernel's. */
  initialWindow: number
  /** Seconds that the handshake plane's clock is off, for tests and scenarios. */
  clockOffsetSeconds: number
  listeners: Endpoint[]
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
  'max-connections'?: number
}

export interface EdgeFlags extends CommonFlags {
  listen?: string
  origin?: string
  gateway?: string[]
  'confirm-timeout'?: string
  'health-interval'?: string
  'retry-other-gateway'?: boolean
}

export interface GatewayFlags extends CommonFlags {
  listen?: string[]
  'allow-origin'?: string[]
  'preamble-timeout'?: string
  'max-pending'?: number
}

/**
 * Flag or environment, else file, else default.
 *
 * @throws OverlayError USAGE, CONFIG_INVALID
 */
export function edgeSettings(flags: EdgeFlags): RelaySettings<EdgeConfig> {
  const file = (flags.config === undefined ? undefined : readConfigFile(flags.config).edge) ?? {}
  const services = edgeServices(flags, file)
  const gateways = new Map<string, Endpoint>()
  for (const service of services) for (const gateway of service.gateways) gateways.set(formatEndpoint(gateway), gateway)
  const names = [...gateways.keys()]
  const common = commonSettings('edge', flags, file)
  return {
    ...common,
    listeners: services.map((service) => service.listen),
    config: {
      role: 'edge',
      ...common.config,
      zeroRtt: common.zeroRtt,
      services: services.map((service): EdgeServiceConfig => ({
        ...service,
        gateways: service.gateways.map((gateway) => names.indexOf(formatEndpoint(gateway))),
      })),
      gateways: [...gateways.values()],
      confirmTimeoutMs: duration(flags, 'confirm-timeout') ?? file.confirmTimeout ?? DEFAULTS.confirmTimeout,
      healthIntervalMs: duration(flags, 'health-interval') ?? file.healthInterval ?? DEFAULTS.healthInterval,
      retryOtherGateway: flags['retry-other-gateway'] ?? file.retryOtherGateway ?? DEFAULTS.retryOtherGateway,
    },
  }
}

/**
 * The same for a gateway.
 *
 * @throws OverlayError USAGE, CONFIG_INVALID
 */
export function gatewaySettings(flags: GatewayFlags): RelaySettings<GatewayConfig> {
  const file = (flags.config === undefined ? undefined : readConfigFile(flags.config).gateway) ?? {}
  const listen = flags.listen?.map((text) => parseEndpoint(text, '--listen')) ?? file.listen
  if (listen === undefined) throw missing('--listen', 'gateway.listen')
  const allowOrigins = flags['allow-origin'] ?? file.allowOrigins
  if (allowOrigins === undefined) throw missing('--allow-origin', 'gateway.allowOrigins')
  // For its errors: the relay processes read it again.
  const origins = new OriginAllowList(allowOrigins, '--allow-origin')
  const common = commonSettings('gateway', flags, file)
  return {
    ...common,
    listeners: listen,
    config: {
      role: 'gateway',
      ...common.config,
      listen,
      allowOrigins: [...origins.texts],
      preambleTimeoutMs: duration(flags, 'preamble-timeout') ?? file.preambleTimeout ?? DEFAULTS.preambleTimeout,
      maxPending: Math.min(
        common.config.limits.maxConnections,
        flags['max-pending'] ?? file.maxPending ?? DEFAULTS.maxPending,
      ),
      replayWindowPath: '',
    },
  }
}

interface Service {
  name: string
  listen: Endpoint
  origin: Endpoint
  gateways: Endpoint[]
}

/** Services of the file; flags make one of their own, or change the only one there is. */
function edgeServices(flags: EdgeFlags, file: EdgeSection): Service[] {
  const fromFile = file.services ?? []
  const byFlag = flags.listen !== undefined || flags.origin !== undefined || flags.gateway !== undefined
  if (!byFlag) {
    if (fromFile.length === 0) throw missing('--listen, --origin and --gateway', 'edge.services')
    return fromFile
  }

  if (fromFile.length > 1) {
    throw new OverlayError(
      'USAGE',
      '--listen, --origin and --gateway cannot be used with several services in the file',
      {
        suggestions: ['change the file, or leave --config away'],
      },
    )
  }

  const [base] = fromFile
  const listen = flags.listen === undefined ? base?.listen : parseEndpoint(flags.listen, '--listen')
  const origin = flags.origin === undefined ? base?.origin : parseEndpoint(flags.origin, '--origin')
  const gateways = flags.gateway?.map((text) => parseEndpoint(text, '--gateway')) ?? base?.gateways
  if (listen === undefined) throw missing('--listen', 'edge.services')
  if (origin === undefined) throw missing('--origin', 'edge.services')
  if (gateways === undefined) throw missing('--gateway', 'edge.services')
  return [{name: base?.name ?? 'default', listen, origin, gateways}]
}

function commonSettings(role: 'edge' | 'gateway', flags: CommonFlags, file: EdgeSection | GatewaySection) {
  const keyFile = flags['key-file'] ?? file.keyFile
  if (keyFile === undefined) throw missing('--key-file', 'keyFile')
  const pair = file.pair === undefined ? null : pairSettings(file.pair, flags['replication-versions'])
  const processes = flags.processes ?? file.processes ?? (pair === null ? availableParallelism() : 1)
  if (pair !== null && processes !== 1) {
    throw new OverlayError('CONFIG_INVALID', `${role}.processes: ${pairProcesses(processes)}`, {
      suggestions: ['leave processes away'],
    })
  }

  return {
    name: flags.name,
    processes,
    pair,
    keyFile,
    drainTimeoutMs: duration(flags, 'drain-timeout') ?? file.drainTimeout ?? DEFAULTS.drainTimeout,
    zeroRtt: flags['zero-rtt'] ?? file.zeroRtt ?? DEFAULTS.zeroRtt,
    interfaces: flags.interface ?? file.interfaces ?? [],
    initialWindow: flags['initial-window'] ?? file.initialWindow ?? DEFAULTS.initialWindow,
    clockOffsetSeconds: flags['clock-offset'] ?? 0,
    config: {
      congestionControl: flags['congestion-control'] ?? file.congestionControl ?? null,
      connectTimeoutMs: duration(flags, 'connect-timeout') ?? file.connectTimeout ?? DEFAULTS.connectTimeout,
      pair: null,
      limits: {
        idleTimeoutMs: duration(flags, 'idle-timeout') ?? file.idleTimeout ?? DEFAULTS.idleTimeout,
        maxConnections: flags['max-connections'] ?? file.maxConnections ?? connectionsThatFit(),
      },
    },
  }
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

function missing(flag: string, key: string): OverlayError {
  return new OverlayError('USAGE', `${flag} is needed`, {
    suggestions: [`give ${flag}, or --config with a file that has ${key}`],
  })
}
