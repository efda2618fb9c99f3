import {z} from 'zod'

import {addressBytes, formatEndpoint} from '../wire/endpoint.js'
import {ETCD_DEFAULTS, PAIR_DEFAULTS} from './defaults.js'
import {formatDuration} from './duration.js'
import {address, duration, endpoint, needed, networkAddress, optional, path, repeated, rule} from './values.js'

/** The pair of an edge or a gateway in the configuration file. */

/** Addresses that a pair shares, one for each network and family. */
const MAX_VIRTUAL_ADDRESSES = 16

const LEAST_TTL_MS = 2000

/** By how much two clocks may differ over a lease, and a tick of the owner's loop, ms. */
const CLOCK_MARGIN_MS = 50

const etcd = z
  .strictObject({
    endpoints: needed(
      z
        .array(
          z
            .string()
            .max(256)
            .regex(/^(https?:\/\/[^\s/@]+|unix:\/\S+)$/, 'not https://HOST:PORT, http://HOST:PORT or unix:/PATH'),
        )
        .min(1)
        .max(16),
      'members of the etcd cluster',
    ),
    name: needed(
      z.string().regex(/^[\dA-Za-z][\w.-]{0,63}$/, 'not 1 to 64 letters, digits, dots, dashes or underscores'),
      'of the pair: both members have the same',
    ),
    prefix: optional(
      z.string().regex(/^\/[\w./-]{0,127}$/, 'not a path of letters, digits, dots, dashes, underscores and slashes'),
      'under which the record of the pair is kept',
      ETCD_DEFAULTS.prefix,
    ),
    ttl: optional(duration, "of the owner's lease in etcd; 2s at least", formatDuration(ETCD_DEFAULTS.ttl)),
    caFile: optional(path, 'PEM file with the certificates that sign those of etcd'),
    certFile: optional(path, 'PEM file with the certificate that is shown to etcd; needs keyFile and caFile'),
    keyFile: optional(path, 'PEM file with its private key'),
  })
  .check(
    rule(['ttl'], ({ttl}) =>
      ttl !== undefined && ttl < LEAST_TTL_MS
        ? [{at: ['ttl'], message: `${ttl} ms is less than ${LEAST_TTL_MS} ms`}]
        : [],
    ),
    rule(['certFile', 'keyFile'], ({certFile, keyFile}) =>
      (certFile === undefined) === (keyFile === undefined)
        ? []
        : [{at: [certFile === undefined ? 'keyFile' : 'certFile'], message: 'certFile and keyFile belong together'}],
    ),
    rule(['certFile', 'caFile'], ({certFile, caFile}) =>
      certFile !== undefined && caFile === undefined
        ? [{at: ['certFile'], message: 'certFile without caFile: whom to trust must be said'}]
        : [],
    ),
  )

export type EtcdSection = z.output<typeof etcd>

export const pair = z
  .strictObject({
    member: needed(z.enum(['a', 'b']), 'which of the two this server is; a dials the link'),
    listen: needed(endpoint, "this server's end of the replication link"),
    peer: needed(endpoint, "the other server's end"),
    virtualAddresses: needed(
      z
        .array(
          z.strictObject({
            address: needed(networkAddress, "that the two hold in turn, with its network's prefix"),
            peer: needed(address, "the other server's own address in that network"),
          }),
        )
        .min(1)
        .max(MAX_VIRTUAL_ADDRESSES),
      'one for each network and family',
    ),
    onBackupLoss: optional(
      z.enum(['solo', 'stall']),
      'without a backup: go on alone, or acknowledge nothing until there is one',
      PAIR_DEFAULTS.onBackupLoss,
    ),
    heartbeat: optional(duration, "between the owner's heartbeats", formatDuration(PAIR_DEFAULTS.heartbeat)),
    lease: optional(
      duration,
      'the owner speaks for so long after the last heartbeat that was answered; five heartbeats at least',
      formatDuration(PAIR_DEFAULTS.lease),
    ),
    takeover: optional(
      duration,
      'the backup takes over when it has heard nothing for so long; 50ms more than the lease at least',
      formatDuration(PAIR_DEFAULTS.takeover),
    ),
    journalLimit: optional(
      z.int().min(1_048_576).max(1_099_511_627_776),
      "memory of a backup's journals, bytes",
      PAIR_DEFAULTS.journalLimit,
    ),
    coordination: optional(
      z.strictObject({etcd: needed(etcd, 'the record of who owns the addresses, in etcd')}),
      'who decides which of the two owns the addresses; without it they do so between themselves',
    ),
  })
  .check(
    rule(['lease', 'heartbeat'], ({lease = PAIR_DEFAULTS.lease, heartbeat = PAIR_DEFAULTS.heartbeat}) =>
      lease < 5 * heartbeat
        ? [
            {
              at: [lease === PAIR_DEFAULTS.lease ? 'heartbeat' : 'lease'],
              message: `lease: ${lease} ms is less than five heartbeats of ${heartbeat} ms`,
            },
          ]
        : [],
    ),
    rule(['lease', 'takeover'], ({lease = PAIR_DEFAULTS.lease, takeover = PAIR_DEFAULTS.takeover}) =>
      takeover < lease + CLOCK_MARGIN_MS
        ? [
            {
              at: [takeover === PAIR_DEFAULTS.takeover ? 'lease' : 'takeover'],
              message: `takeover: ${takeover} ms is not ${CLOCK_MARGIN_MS} ms more than the lease of ${lease} ms`,
            },
          ]
        : [],
    ),
    rule(['listen', 'peer'], ({listen, peer}) =>
      formatEndpoint(listen) === formatEndpoint(peer)
        ? [{at: ['peer'], message: `${formatEndpoint(peer)} is this server's own end: listen`}]
        : listen.address.includes(':') === peer.address.includes(':')
          ? []
          : [{at: ['peer'], message: 'listen and peer are of different families'}],
    ),
    rule(['virtualAddresses'], ({virtualAddresses}) => [
      ...virtualAddresses.flatMap(({address: {address}, peer}, index) =>
        address.includes(':') === peer.includes(':')
          ? []
          : [
              {
                at: ['virtualAddresses', index, 'peer'],
                message: `virtualAddresses: ${address} and its peer are of different families`,
              },
            ],
      ),
      ...virtualAddresses.flatMap(({address: {address}, peer}, index) =>
        addressBytes(address).equals(addressBytes(peer))
          ? [{at: ['virtualAddresses', index, 'peer'], message: `${peer} is the virtual address itself`}]
          : [],
      ),
      ...repeated(
        virtualAddresses,
        (each) => addressBytes(each.address.address).toString('hex'),
        (each, index) => ({
          at: ['virtualAddresses', index, 'address'],
          message: `${each.address.address} stands there twice`,
        }),
      ),
    ]),
  )

export type PairSection = z.output<typeof pair>
