import type {InstanceStatus} from '../relay/supervisor.js'
import {sample, type Sample} from './sample.js'

/**
 * What the control process knows of the instance, and of its pair. Pure.
 *
 * @param silent relay processes that did not answer
 * @param nowSeconds since 1970
 */
export function instanceSamples(status: InstanceStatus, silent: number, version: string, nowSeconds: number): Sample[] {
  const {role, name, state, uptimeMs, processes, restarts, handshake, pair} = status
  return [
    sample('overlay_info', 1, {role, name, version}),
    sample('overlay_ready', state === 'ready'),
    sample('overlay_start_time_seconds', nowSeconds - uptimeMs / 1000),
    sample('overlay_relay_processes', processes.length - silent),
    sample('overlay_relay_processes_silent', silent),
    sample('overlay_relay_process_restarts_total', restarts),
    ...events('overlay_handshake_events_total', (handshake as {counters?: Record<string, number>} | null)?.counters),
    ...(pair === null ? [] : pairSamples(pair)),
  ]
}

function pairSamples(pair: NonNullable<InstanceStatus['pair']>): Sample[] {
  const owns = pair.role === 'owner'
  const last = pair.lastTakeover
  return [
    sample('overlay_pair_owner', owns && pair.leaseMs !== 0),
    sample('overlay_pair_backup', pair.role === 'backup'),
    sample('overlay_pair_epoch', pair.epoch),
    sample('overlay_pair_link_up', pair.link === (owns ? 'paired' : 'up')),
    sample('overlay_pair_links_total', pair.linksUp),
    sample('overlay_pair_solo', pair.solo),
    sample('overlay_pair_solo_total', pair.soloCount),
    sample('overlay_pair_lease_seconds', pair.leaseMs === null ? Number.POSITIVE_INFINITY : pair.leaseMs / 1000),
    sample('overlay_pair_flows', pair.flows),
    sample('overlay_pair_outstanding_bytes', pair.outstandingBytes),
    sample('overlay_pair_kept_bytes', pair.keptBytes),
    sample('overlay_pair_paused', pair.paused),
    sample('overlay_pair_journal_bytes', pair.journalBytes),
    sample('overlay_pair_journal_highest_bytes', pair.journalHighestBytes),
    sample('overlay_pair_journal_limit_bytes', pair.journalLimitBytes),
    sample('overlay_pair_takeovers_total', pair.takeovers),
    ...(last === null
      ? []
      : [
          sample('overlay_pair_takeover_flows', last.flows),
          sample('overlay_pair_takeover_lost_flows', last.lost),
          sample('overlay_pair_takeover_duration_seconds', last.durationMs / 1000),
        ]),
    sample('overlay_pair_not_replicated_total', pair.notReplicated),
    sample('overlay_pair_fences_total', pair.fences),
    ...events('overlay_pair_datapath_events_total', pair.datapath),
  ]
}

function events(
  metric: 'overlay_handshake_events_total' | 'overlay_pair_datapath_events_total',
  counters: Readonly<Record<string, number>> = {},
): Sample[] {
  return Object.entries(counters).map(([event, count]) => sample(metric, count, {event}))
}
