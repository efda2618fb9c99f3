import {OUTCOMES} from '../relay/dial-plan.js'
import type {EdgeGatewayProcessStatus, EdgeProcessStatus, GatewayProcessStatus} from '../relay/process-status.js'
import type {RelayCounters} from '../relay/relay.js'
import {REFUSALS} from '../wire/reply.js'
import type {MetricName} from './catalogue.js'
import {histogramSamples, sample, type Sample} from './sample.js'

const HANDSHAKES = [
  ['zeroRtt', 'zero-rtt'],
  ['ordinary', 'ordinary'],
] as const

/** Gateways that take connections, or are not known not to. */
const USABLE = new Set(['up', 'unknown'])

/** What one relay process has counted. Pure. */
export function processSamples(status: EdgeProcessStatus | GatewayProcessStatus): Sample[] {
  return status.role === 'edge' ? edgeSamples(status) : gatewaySamples(status)
}

function edgeSamples({live, counters, gaveUp, redials, gateways}: EdgeProcessStatus): Sample[] {
  return [
    ...relaySamples(live, counters, ['client-edge', 'edge-gateway']),
    sample('overlay_edge_gave_up_total', gaveUp),
    ...counted('overlay_edge_redials_total', 'after', OUTCOMES, redials),
    ...gateways.flatMap((gateway) => gatewayOfEdge(gateway)),
  ]
}

function gatewayOfEdge(of: EdgeGatewayProcessStatus): Sample[] {
  const gateway = {gateway: of.gateway}
  return [
    ...HANDSHAKES.flatMap(([key, handshake]) => [
      sample('overlay_edge_dials_total', of.dials[key], {...gateway, handshake}),
      sample('overlay_edge_dials_accepted_total', of.accepted[key], {...gateway, handshake}),
      ...histogramSamples('overlay_edge_connect_seconds', of.connectMs[key], {...gateway, handshake}),
    ]),
    ...counted('overlay_edge_dial_failures_total', 'reason', OUTCOMES, of.failures, gateway),
    sample('overlay_edge_gateway_up', USABLE.has(of.state), gateway),
    ...(of.rttMs > 0 ? [sample('overlay_edge_gateway_rtt_seconds', of.rttMs / 1000, gateway)] : []),
    sample('overlay_edge_gateway_zero_rtt_blocked', of.zeroRttBlocked, gateway),
    sample('overlay_edge_health_checks_total', of.healthChecks, gateway),
    sample('overlay_edge_health_check_failures_total', of.healthFailures, gateway),
    ...histogramSamples('overlay_edge_confirm_seconds', of.confirmedMs, gateway),
  ]
}

function gatewaySamples(status: GatewayProcessStatus): Sample[] {
  const offsets = Object.values(status.clockOffsetMs).map((ms) => Math.abs(ms) / 1000)
  return [
    ...relaySamples(status.live, status.counters, ['edge-gateway', 'gateway-origin']),
    sample('overlay_gateway_connections_pending', status.pending),
    sample('overlay_gateway_served_total', status.served),
    sample('overlay_gateway_health_checks_total', status.healthChecks),
    sample('overlay_gateway_challenges_total', status.challenges),
    sample('overlay_gateway_edge_processes', status.instances),
    ...counted('overlay_gateway_refused_total', 'reason', REFUSALS.slice(1), status.refused),
    ...counted('overlay_gateway_unauthenticated_total', 'reason', [], status.unauthenticated),
    ...histogramSamples('overlay_gateway_origin_connect_seconds', status.originConnectMs),
    ...(offsets.length > 0 ? [sample('overlay_gateway_clock_offset_max_seconds', Math.max(...offsets))] : []),
  ]
}

function relaySamples(live: number, counters: RelayCounters, [near, far]: readonly [string, string]): Sample[] {
  const ended = (how: string, value: number): Sample => sample('overlay_connections_ended_total', value, {how})
  return [
    sample('overlay_connections', live),
    sample('overlay_connections_accepted_total', counters.accepted),
    ended('completed', counters.completed),
    ended('reset', counters.reset),
    ended('idle', counters.idleTimeouts),
    ended('aborted', counters.aborted),
    sample('overlay_received_bytes_total', counters.nearBytes, {leg: near}),
    sample('overlay_received_bytes_total', counters.farBytes, {leg: far}),
  ]
}

/** @param known reasons that are there from the start, with 0, so that their first occurrence is an increase */
function counted(
  metric: MetricName,
  label: string,
  known: readonly string[],
  counts: Readonly<Record<string, number>>,
  labels: Sample['labels'] = {},
): Sample[] {
  const names = [...new Set([...known, ...Object.keys(counts)])]
  return names.map((name) => sample(metric, counts[name] ?? 0, {...labels, [label]: name}))
}
