import {OverlayError} from '../errors/index.js'
import type {EtcdSettings} from '../coordination/etcd-coordination.js'
import type {PairSettings} from '../pair/pair-config.js'
import {formatEndpoint} from '../wire/endpoint.js'
import {HIGHEST_VERSION, LOWEST_VERSION} from '../replication/link-setup.js'
import {DEFAULT_SETTINGS} from '../replication/settings.js'
import {ETCD_DEFAULTS, PAIR_DEFAULTS} from './defaults.js'
import type {EtcdSection, PairSection} from './pair-schema.js'
import {Resolution, type Sources} from './resolution.js'

/** What a backup keeps beyond what the owner lets it: records of flows, small pieces. */
const JOURNAL_MARGIN = 2

/**
 * The pair of a configuration file, with defaults filled in.
 *
 * @param versions of the replication protocol, `LOW-HIGH`; all that this program speaks when not given
 * @param resolution remembers where each value comes from
 * @throws OverlayError USAGE for versions that are none; the schema has judged the rest
 */
export function pairSettings(
  section: PairSection,
  {versions, resolution = new Resolution('edge')}: {versions?: string; resolution?: Resolution} = {},
): PairSettings {
  const given = <Key extends keyof PairSection & string>(key: Key) => ({key: `pair.${key}`, byFile: section[key]})
  const journalBytes = resolution.pick<number>(given('journalLimit'), PAIR_DEFAULTS.journalLimit)
  return {
    member: resolution.pick(given('member'), section.member),
    listen: resolution.pick(given('listen'), section.listen, formatEndpoint),
    peer: resolution.pick(given('peer'), section.peer, formatEndpoint),
    versions: versions === undefined ? [LOWEST_VERSION, HIGHEST_VERSION] : versionRange(versions),
    virtualAddresses: resolution
      .pick(given('virtualAddresses'), section.virtualAddresses, (all) =>
        all.map(({address: {address, prefix}, peer}) => `${address}/${prefix}, peer ${peer}`),
      )
      .map(({address, peer}) => ({...address, peer})),
    etcd: etcdSettings(section.coordination?.etcd, resolution),
    settings: {
      ...DEFAULT_SETTINGS,
      heartbeatMs: resolution.duration(given('heartbeat'), PAIR_DEFAULTS.heartbeat),
      leaseMs: resolution.duration(given('lease'), PAIR_DEFAULTS.lease),
      takeoverMs: resolution.duration(given('takeover'), PAIR_DEFAULTS.takeover),
      onBackupLoss: resolution.pick(given('onBackupLoss'), PAIR_DEFAULTS.onBackupLoss),
      journalBytes,
      maxHeld: Math.min(DEFAULT_SETTINGS.maxHeld, Math.floor(journalBytes / JOURNAL_MARGIN)),
      maxOutstanding: Math.min(DEFAULT_SETTINGS.maxOutstanding, Math.floor(journalBytes / 4)),
    },
  }
}

function etcdSettings(section: EtcdSection | undefined, resolution: Resolution): EtcdSettings | null {
  if (section === undefined) return null
  const given = <Key extends keyof EtcdSection & string>(key: Key) => ({
    key: `pair.coordination.etcd.${key}`,
    byFile: section[key],
  })
  return {
    endpoints: resolution.pick(given('endpoints'), section.endpoints),
    name: resolution.pick(given('name'), section.name),
    prefix: resolution.pick<string>(given('prefix'), ETCD_DEFAULTS.prefix),
    ttl: Math.ceil(resolution.duration(given('ttl'), ETCD_DEFAULTS.ttl) / 1000),
    caFile: file(given('caFile'), resolution),
    certFile: file(given('certFile'), resolution),
    keyFile: file(given('keyFile'), resolution),
  }
}

function file(sources: Sources<string>, resolution: Resolution): string | undefined {
  return resolution.pick<string | null>(sources, null) ?? undefined
}

function versionRange(text: string): [number, number] {
  const [, lowest, highest] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []
  if (lowest === undefined || Number(lowest) < 1 || Number(lowest) > Number(highest) || Number(highest) > 65_535) {
    throw new OverlayError('USAGE', `--replication-versions: ${text} is not LOW-HIGH, e.g. 1-1`)
  }

  return [Number(lowest), Number(highest)]
}
