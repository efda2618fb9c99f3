import type {PairConfig} from '../pair/pair-config.js'
import type {PreambleKey} from '../wire/preamble.js'
import type {Endpoint} from '../wire/endpoint.js'
import type {Limit} from './meter.js'
import type {RelayLimits} from './relay.js'

/** Keys as relay processes get them: derived for preambles, never the secret itself. */
export interface PreambleKeys {
  readonly current: PreambleKey
  readonly previous: PreambleKey | null
}

/** The key of an id, or null. */
export function keyOf(keys: PreambleKeys, id: number): PreambleKey | null {
  if (keys.current.id === id) return keys.current
  return keys.previous?.id === id ? keys.previous : null
}

/** What the supervisor tells a relay process, over the control channel. All times in ms. */
interface CommonConfig {
  limits: RelayLimits
  /** Congestion control of the middle leg; null leaves the host's default. */
  congestionControl: string | null
  /** From dial to the moment that bytes may flow, at most; then the client is reset. */
  connectTimeoutMs: number
  /** Null for a server of its own. */
  pair: PairConfig | null
}

export interface EdgeConfig extends CommonConfig {
  role: 'edge'
  services: EdgeServiceConfig[]
  /** Every gateway of any service, once. */
  gateways: Endpoint[]
  /** The handshake plane is on: connect() is fast unless the socket carries {@link ORDINARY_MARK}. */
  zeroRtt: boolean
  /** How long a gateway may acknowledge nothing before another is dialled, in addition to the known round trip. */
  confirmTimeoutMs: number
  retryOtherGateway: boolean
  healthIntervalMs: number
  /** Of one client, in one process. */
  clientLimit: Limit
}

export interface EdgeServiceConfig {
  name: string
  listen: Endpoint
  origin: Endpoint
  /** Indices into `gateways`, in the order of preference. */
  gateways: number[]
  /** Of all its clients together, in one process. */
  limit: Limit
}

export interface GatewayConfig extends CommonConfig {
  role: 'gateway'
  /** In the order of the listeners. */
  listen: Endpoint[]
  allowOrigins: string[]
  /** A connection must show its preamble within this time. */
  preambleTimeoutMs: number
  /** Connections that have not, at most; the oldest goes first. */
  maxPending: number
  /** Of one origin, address and port, in one process. */
  originLimit: Limit
  /** The file that holds what has been accepted, shared by the processes of this gateway. */
  replayWindowPath: string
}

export type ProcessConfig = EdgeConfig | GatewayConfig

/** SO_MARK that asks the edge's handshake plane to leave a SYN alone. */
export const ORDINARY_MARK = 0x4f_56_00_01
