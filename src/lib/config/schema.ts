import {z} from 'zod'

import {OverlayError} from '../errors/index.js'
import {OriginAllowList} from '../relay/origin-allow-list.js'
import {MAX_GATEWAYS} from '../relay/dial-plan.js'
import {parseAddress, parseEndpoint, parseNetworkAddress} from '../wire/endpoint.js'
import {parseDuration} from './duration.js'

/** The configuration file: what may stand in it, and how values are read. */

const endpoint = text((value, what) => parseEndpoint(value, what))
const duration = text((value, what) => parseDuration(value, what))
const allowedOrigin = text((value, what) => new OriginAllowList([value], what).texts[0])
const processes = z.int().min(1).max(64)
const connections = z.int().min(1).max(1_000_000)

/** Addresses of one gateway, e.g. one of each family. */
const MAX_LISTENERS = 16

const service = z.strictObject({
  name: z.string().regex(/^[\dA-Za-z][\w.-]{0,31}$/, 'not 1 to 32 letters, digits, dots, dashes or underscores'),
  listen: endpoint,
  origin: endpoint,
  gateways: z.array(endpoint).min(1).max(MAX_GATEWAYS),
})

const address = text((value, what) => parseAddress(value, what))
const networkAddress = text((value, what) => parseNetworkAddress(value, what))

/** Addresses that a pair shares, one for each network and family. */
const MAX_VIRTUAL_ADDRESSES = 16

const etcd = z.strictObject({
  endpoints: z
    .array(z.string().regex(/^(https?:\/\/[^/]+|unix:\/.+)$/, 'not https://HOST:PORT, http://HOST:PORT or unix:/PATH'))
    .min(1)
    .max(16),
  /** Of the pair: both members have the same. */
  name: z.string().regex(/^[\dA-Za-z][\w.-]{0,63}$/, 'not 1 to 64 letters, digits, dots, dashes or underscores'),
  prefix: z
    .string()
    .regex(/^\/[\w./-]{0,127}$/, 'not a path of letters, digits, dots, dashes, underscores and slashes')
    .optional(),
  ttl: duration.optional(),
  caFile: z.string().optional(),
  certFile: z.string().optional(),
  keyFile: z.string().optional(),
})

export type EtcdSection = z.output<typeof etcd>

const pair = z.strictObject({
  member: z.enum(['a', 'b']),
  listen: endpoint,
  peer: endpoint,
  virtualAddresses: z
    .array(z.strictObject({address: networkAddress, peer: address}))
    .min(1)
    .max(MAX_VIRTUAL_ADDRESSES),
  onBackupLoss: z.enum(['solo', 'stall']).optional(),
  heartbeat: duration.optional(),
  lease: duration.optional(),
  takeover: duration.optional(),
  /** Bytes. */
  journalLimit: z.int().min(1_048_576).max(1_099_511_627_776).optional(),
  /** Who decides which of the two owns the addresses, when they are not to do so between themselves. */
  coordination: z.strictObject({etcd}).optional(),
})

const edge = z.strictObject({
  keyFile: z.string().optional(),
  interfaces: z.array(z.string()).optional(),
  processes: processes.optional(),
  zeroRtt: z.boolean().optional(),
  congestionControl: z.string().max(15).optional(),
  /** Segments; 0 leaves the kernel's. */
  initialWindow: z.number().int().min(0).max(1000).optional(),
  idleTimeout: duration.optional(),
  connectTimeout: duration.optional(),
  confirmTimeout: duration.optional(),
  drainTimeout: duration.optional(),
  healthInterval: duration.optional(),
  retryOtherGateway: z.boolean().optional(),
  maxConnections: connections.optional(),
  services: z.array(service).optional(),
  pair: pair.optional(),
})

const gateway = z.strictObject({
  keyFile: z.string().optional(),
  interfaces: z.array(z.string()).optional(),
  processes: processes.optional(),
  zeroRtt: z.boolean().optional(),
  congestionControl: z.string().max(15).optional(),
  /** Segments; 0 leaves the kernel's. */
  initialWindow: z.number().int().min(0).max(1000).optional(),
  listen: z.union([endpoint.transform((one) => [one]), z.array(endpoint).min(1).max(MAX_LISTENERS)]).optional(),
  allowOrigins: z.array(allowedOrigin).min(1).optional(),
  idleTimeout: duration.optional(),
  connectTimeout: duration.optional(),
  preambleTimeout: duration.optional(),
  drainTimeout: duration.optional(),
  maxConnections: connections.optional(),
  maxPending: connections.optional(),
  /** Where probes that hold the key may ask how their packets arrived; nowhere when not given. */
  echo: endpoint.optional(),
  pair: pair.optional(),
})

export const configSchema = z.strictObject({edge: edge.optional(), gateway: gateway.optional()})

export type ConfigFile = z.output<typeof configSchema>
export type EdgeSection = NonNullable<ConfigFile['edge']>
export type PairSection = z.output<typeof pair>
export type GatewaySection = NonNullable<ConfigFile['gateway']>

/** A string that a reader of ours turns into a value; its message becomes the problem's. */
function text<Value>(read: (value: string, what: string) => Value) {
  return z.string().transform((value, context) => {
    try {
      return read(value, 'value')
    } catch (error) {
      const message = error instanceof OverlayError ? error.message.replace(/^value: /, '') : String(error)
      context.addIssue({code: 'custom', message})
      return z.NEVER
    }
  })
}
