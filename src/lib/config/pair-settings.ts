import {OverlayError} from '../errors/index.js'
import type {EtcdSettings} from '../coordination/etcd-coordination.js'
import type {PairSettings} from '../pair/pair-config.js'
import {HIGHEST_VERSION, LOWEST_VERSION} from '../replication/link-setup.js'
import {DEFAULT_SETTINGS} from '../replication/settings.js'
import {ETCD_DEFAULTS, PAIR_DEFAULTS} from './defaults.js'
import type {EtcdSection, PairSection} from './pair-schema.js'

/** What a backup keeps beyond what the owner lets it: records of flows, small pieces. */
const JOURNAL_MARGIN = 2

/**
 * The pair of a configuration file, with defaults filled in.
 *
 * @param versions of the replication protocol, `LOW-HIGH`; all that this program speaks when not given
 * @throws OverlayError USAGE for versions that are none; the schema has judged the rest
 */
export function pairSettings(section: PairSection, versions?: string): PairSettings {
  const heartbeatMs = section.heartbeat ?? PAIR_DEFAULTS.heartbeat
  const leaseMs = section.lease ?? PAIR_DEFAULTS.lease
  const takeoverMs = section.takeover ?? PAIR_DEFAULTS.takeover
  const journalBytes = section.journalLimit ?? PAIR_DEFAULTS.journalLimit
  return {
    member: section.member,
    listen: section.listen,
    peer: section.peer,
    versions: versions === undefined ? [LOWEST_VERSION, HIGHEST_VERSION] : versionRange(versions),
    virtualAddresses: section.virtualAddresses.map(({address, peer}) => ({...address, peer})),
    etcd: section.coordination === undefined ? null : etcdSettings(section.coordination.etcd),
    settings: {
      ...DEFAULT_SETTINGS,
      heartbeatMs,
      leaseMs,
      takeoverMs,
      onBackupLoss: section.onBackupLoss ?? PAIR_DEFAULTS.onBackupLoss,
      journalBytes,
      maxHeld: Math.min(DEFAULT_SETTINGS.maxHeld, Math.floor(journalBytes / JOURNAL_MARGIN)),
      maxOutstanding: Math.min(DEFAULT_SETTINGS.maxOutstanding, Math.floor(journalBytes / 4)),
    },
  }
}

function etcdSettings({
  endpoints,
  name,
  prefix = ETCD_DEFAULTS.prefix,
  ttl = ETCD_DEFAULTS.ttl,
  caFile,
  certFile,
  keyFile,
}: EtcdSection): EtcdSettings {
  return {endpoints, name, prefix, ttl: Math.ceil(ttl / 1000), caFile, certFile, keyFile}
}

function versionRange(text: string): [number, number] {
  const [, lowest, highest] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []
  if (lowest === undefined || Number(lowest) < 1 || Number(lowest) > Number(highest) || Number(highest) > 65_535) {
    throw new OverlayError('USAGE', `--replication-versions: ${text} is not LOW-HIGH, e.g. 1-1`)
  }

  return [Number(lowest), Number(highest)]
}
