/** Of which instances a metric is. `both`: edge and gateway. `pair`: members of a pair, of either region. */
export type MetricScope = 'both' | 'edge' | 'gateway' | 'pair'

/** One metric of the endpoint. Names and units are those of prometheus.io/docs/practices/naming: seconds, bytes. */
export interface MetricDefinition {
  type: 'counter' | 'gauge' | 'histogram'
  scope: MetricScope
  labels: readonly string[]
  help: string
  /** Of a gauge that each relay process has: what the instance's is. Sum unless given. */
  over?: 'max' | 'min'
}

const LEG = 'leg: client-edge or edge-gateway at an edge, edge-gateway or gateway-origin at a gateway'

/** Every metric. docs/METRICS.md is made from it, and nothing is served that does not stand here. */
export const CATALOGUE = {
  overlay_info: gauge('both', 'Always 1; says which instance this is.', ['role', 'name', 'version']),
  overlay_ready: gauge('both', '1 while the instance takes connections, 0 while it starts or drains.'),
  overlay_start_time_seconds: gauge('both', 'When the control process started, seconds since 1970.'),
  overlay_relay_processes: gauge('both', 'Relay processes that answered this scrape.'),
  overlay_relay_processes_silent: gauge('both', 'Relay processes that did not answer this scrape: starting, or stuck.'),
  overlay_relay_process_restarts_total: counter('both', 'Relay processes that died and were started again.'),
  overlay_connections: gauge('both', 'Connections open now, without those that have shown no preamble yet.'),
  overlay_connections_accepted_total: counter('both', 'Connections accepted.'),
  overlay_connections_ended_total: counter(
    'both',
    'Connections that ended. how: completed (FIN both ways), reset (an RST of either end), idle (no byte for the idle timeout), aborted (by the drain deadline or a second signal).',
    ['how'],
  ),
  overlay_received_bytes_total: counter('both', `Bytes read from sockets. ${LEG}.`, ['leg']),
  overlay_handshake_events_total: counter(
    'both',
    'What the programs of the handshake plane did, as they count it (docs/PROTOCOL.md). Not there without zero-RTT.',
    ['event'],
  ),

  overlay_edge_gave_up_total: counter('edge', 'Clients reset because no gateway would take them.'),
  overlay_edge_redials_total: counter(
    'edge',
    'Dials after the first of a connection. after: what had happened to the one before.',
    ['after'],
  ),
  overlay_edge_dials_total: counter('edge', 'Dials. handshake: zero-rtt or ordinary.', ['gateway', 'handshake']),
  overlay_edge_dials_accepted_total: counter('edge', 'Dials that the gateway accepted.', ['gateway', 'handshake']),
  overlay_edge_dial_failures_total: counter('edge', 'Dials that failed, by what happened.', ['gateway', 'reason']),
  overlay_edge_gateway_up: gauge(
    'edge',
    '1 when no relay process takes the gateway for suspect or down, else 0; 1 too before the first health check.',
    ['gateway'],
    'min',
  ),
  overlay_edge_gateway_rtt_seconds: gauge(
    'edge',
    'From the preamble of a health check sent to its reply, the shortest of the last eight. Not there until known.',
    ['gateway'],
    'min',
  ),
  overlay_edge_gateway_zero_rtt_blocked: gauge(
    'edge',
    '1 when some relay process leaves the zero-RTT handshake alone for now, because it was answered with an RST.',
    ['gateway'],
    'max',
  ),
  overlay_edge_health_checks_total: counter('edge', 'Health checks of the gateway.', ['gateway']),
  overlay_edge_health_check_failures_total: counter('edge', 'Health checks that failed.', ['gateway']),
  overlay_edge_connect_seconds: histogram('edge', 'From connect() until the socket took the first bytes.', [
    'gateway',
    'handshake',
  ]),
  overlay_edge_confirm_seconds: histogram('edge', 'From connect() until the gateway’s reply.', ['gateway']),

  overlay_gateway_connections_pending: gauge('gateway', 'Connections that have shown no preamble yet.'),
  overlay_gateway_served_total: counter('gateway', 'Connections that were joined to an origin.'),
  overlay_gateway_health_checks_total: counter('gateway', 'Health checks answered.'),
  overlay_gateway_challenges_total: counter('gateway', 'Preambles answered with a challenge.'),
  overlay_gateway_edge_processes: gauge('gateway', 'Edge processes known to the replay window.', [], 'max'),
  overlay_gateway_refused_total: counter('gateway', 'Genuine preambles that were refused, by reason.', ['reason']),
  overlay_gateway_unauthenticated_total: counter(
    'gateway',
    'Connections without a good preamble, by what was wrong. They got no reply.',
    ['reason'],
  ),
  overlay_gateway_origin_connect_seconds: histogram('gateway', 'From connect() until the origin’s SYN/ACK.'),
  overlay_gateway_clock_offset_max_seconds: gauge(
    'gateway',
    'How far the clock of some edge process is from ours, the largest, either way.',
    [],
    'max',
  ),

  overlay_pair_owner: gauge('pair', '1 when this member owns the addresses and may speak, else 0.'),
  overlay_pair_backup: gauge('pair', '1 when this member is a backup that holds everything, else 0.'),
  overlay_pair_epoch: gauge('pair', 'The epoch that this member knows.'),
  overlay_pair_link_up: gauge('pair', '1 when the replication link is up, and at an owner the backup is paired.'),
  overlay_pair_links_total: counter('pair', 'How often the replication link came up.'),
  overlay_pair_solo: gauge('pair', '1 when this owner goes on without a backup: nothing is replicated.'),
  overlay_pair_solo_total: counter('pair', 'How often this owner went on alone.'),
  overlay_pair_lease_seconds: gauge(
    'pair',
    'How long this owner may still speak; 0 when it may not, +Inf without end.',
  ),
  overlay_pair_flows: gauge('pair', 'Connections replicated at an owner, held at a backup.'),
  overlay_pair_outstanding_bytes: gauge('pair', 'Replication lag: bytes the backup has not acknowledged.'),
  overlay_pair_kept_bytes: gauge('pair', 'Bytes that the backup has acknowledged and keeps.'),
  overlay_pair_paused: gauge('pair', '1 while reading pauses until the backup has caught up.'),
  overlay_pair_journal_bytes: gauge('pair', 'Memory of this backup’s journals in use.'),
  overlay_pair_journal_highest_bytes: gauge('pair', 'The most that was ever in use.'),
  overlay_pair_journal_limit_bytes: gauge('pair', 'The most that may be in use.'),
  overlay_pair_takeovers_total: counter('pair', 'Takeovers by this member.'),
  overlay_pair_takeover_flows: gauge('pair', 'Connections of its last takeover. Not there before the first.'),
  overlay_pair_takeover_lost_flows: gauge('pair', 'Of these, those whose sockets could not be made.'),
  overlay_pair_takeover_duration_seconds: gauge('pair', 'From its decision to the first packet.'),
  overlay_pair_not_replicated_total: counter('pair', 'Connections closed because they could not be replicated.'),
  overlay_pair_fences_total: counter(
    'pair',
    'How often a FIN or RST without consent had silenced this owner though it was alive.',
  ),
  overlay_pair_datapath_events_total: counter(
    'pair',
    'Packets that the ACK gate and the set-up plane acted on, as they count them (docs/PROTOCOL.md).',
    ['event'],
  ),
} as const satisfies Record<string, MetricDefinition>

export type MetricName = keyof typeof CATALOGUE

/** Names of the time series of a metric: of a histogram the three that Prometheus makes of it. */
export function seriesOf(name: MetricName): string[] {
  return CATALOGUE[name].type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name]
}

function counter(scope: MetricScope, help: string, labels: readonly string[] = []): MetricDefinition {
  return {type: 'counter', scope, labels, help}
}

function gauge(
  scope: MetricScope,
  help: string,
  labels: readonly string[] = [],
  over?: MetricDefinition['over'],
): MetricDefinition {
  return {type: 'gauge', scope, labels, help, ...(over && {over})}
}

function histogram(scope: MetricScope, help: string, labels: readonly string[] = []): MetricDefinition {
  return {type: 'histogram', scope, labels, help}
}
