import {OverlayError} from '../errors/index.js'
import type {EtcdSettings} from '../coordination/etcd-coordination.js'
import type {PairSettings} from '../pair/pair-config.js'
import {HIGHEST_VERSION, LOWEST_VERSION} from '../replication/link-setup.js'
import {DEFAULT_SETTINGS} from '../replication/settings.js'
import type {EtcdSection, PairSection} from './schema.js'

/** What a backup keeps beyond what the owner lets it: records of flows, small pieces. */
const JOURNAL_MARGIN = 2

const ETCD_PREFIX = '/overlay/pairs'
/** Of the owner's lease in etcd, ms. */
const ETCD_TTL_MS = 10_000
const LEAST_TTL_MS = 2000

/** By how much two clocks may differ over a lease, and a tick of the owner's loop, ms. */
const CLOCK_MARGIN_MS = 50

/**
 * The pair of a configuration file, with defaults filled in.
 *
 * @param role edge or gateway, for messages
 * @param versions of the replication protocol, `LOW-HIGH`; all that this program speaks when not given
 * @throws OverlayError CONFIG_INVALID
 */
export function pairSettings(section: PairSection, role: string, versions?: string): PairSettings {
  const heartbeatMs = section.heartbeat ?? DEFAULT_SETTINGS.heartbeatMs
  const leaseMs = section.lease ?? DEFAULT_SETTINGS.leaseMs
  const takeoverMs = section.takeover ?? DEFAULT_SETTINGS.takeoverMs
  if (leaseMs < 5 * heartbeatMs) {
    throw invalid(role, `lease: ${leaseMs} ms is less than five heartbeats of ${heartbeatMs} ms`)
  }

  if (takeoverMs < leaseMs + CLOCK_MARGIN_MS) {
    throw invalid(role, `takeover: ${takeoverMs} ms is not ${CLOCK_MARGIN_MS} ms more than the lease of ${leaseMs} ms`)
  }

  const families = section.virtualAddresses.filter(
    ({address, peer}) => address.address.includes(':') !== peer.includes(':'),
  )
  if (families.length > 0) {
    throw invalid(role, `virtualAddresses: ${families[0].address.address} and its peer are of different families`)
  }

  const journalBytes = section.journalLimit ?? DEFAULT_SETTINGS.journalBytes
  return {
    member: section.member,
    listen: section.listen,
    peer: section.peer,
    versions: versions === undefined ? [LOWEST_VERSION, HIGHEST_VERSION] : versionRange(versions),
    virtualAddresses: section.virtualAddresses.map(({address, peer}) => ({...address, peer})),
    etcd: section.coordination === undefined ? null : etcdSettings(section.coordination.etcd, role),
    settings: {
      ...DEFAULT_SETTINGS,
      heartbeatMs,
      leaseMs,
      takeoverMs,
      onBackupLoss: section.onBackupLoss ?? DEFAULT_SETTINGS.onBackupLoss,
      journalBytes,
      maxHeld: Math.min(DEFAULT_SETTINGS.maxHeld, Math.floor(journalBytes / JOURNAL_MARGIN)),
      maxOutstanding: Math.min(DEFAULT_SETTINGS.maxOutstanding, Math.floor(journalBytes / 4)),
    },
  }
}

function etcdSettings(
  {endpoints, name, prefix = ETCD_PREFIX, ttl = ETCD_TTL_MS, caFile, certFile, keyFile}: EtcdSection,
  role: string,
): EtcdSettings {
  if (ttl < LEAST_TTL_MS) throw invalid(role, `coordination.etcd.ttl: ${ttl} ms is less than ${LEAST_TTL_MS} ms`)
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw invalid(role, 'coordination.etcd: certFile and keyFile belong together')
  }

  if (certFile !== undefined && caFile === undefined) {
    throw invalid(role, 'coordination.etcd: certFile without caFile: whom to trust must be said')
  }

  return {endpoints, name, prefix, ttl: Math.ceil(ttl / 1000), caFile, certFile, keyFile}
}

function versionRange(text: string): [number, number] {
  const [, lowest, highest] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []
  if (lowest === undefined || Number(lowest) < 1 || Number(lowest) > Number(highest) || Number(highest) > 65_535) {
    throw new OverlayError('USAGE', `--replication-versions: ${text} is not LOW-HIGH, e.g. 1-1`)
  }

  return [Number(lowest), Number(highest)]
}

function invalid(role: string, problem: string): OverlayError {
  return new OverlayError('CONFIG_INVALID', `${role}.pair.${problem}`)
}
