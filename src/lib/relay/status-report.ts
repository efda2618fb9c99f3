import {LatencyHistogram, type HistogramJson, type LatencySummary} from './latency-histogram.js'
import type {EdgeGatewayProcessStatus, EdgeProcessStatus, GatewayProcessStatus} from './process-status.js'
import type {RelayCounters} from './relay.js'

/** Adds up what the processes of one instance report. Pure. */
export interface EdgeTraffic {
  connections: ConnectionReport
  bytes: {fromClients: number; toClients: number}
  /** Clients reset because no gateway would take them. */
  gaveUp: number
  /** Clients reset at once, by the limit that was reached. */
  limited: Record<string, number>
  /** Dials after the first of a connection, by what had happened to the one before. */
  redials: Record<string, number>
  gateways: EdgeGatewayReport[]
}

export interface ConnectionReport extends Omit<RelayCounters, 'nearBytes' | 'farBytes'> {
  live: number
}

export interface EdgeGatewayReport {
  gateway: string
  /** The worst that any process believes. */
  state: string
  /** From the preamble of a health check sent to its reply: the shortest of the last eight, ms; null when unknown. */
  rttMs: number | null
  /** Some process leaves the zero-RTT handshake alone for now, because it was answered with an RST. */
  zeroRttBlocked: boolean
  dials: {zeroRtt: number; ordinary: number}
  accepted: {zeroRtt: number; ordinary: number}
  failures: Record<string, number>
  /** From connect() to the moment the socket took the first bytes. */
  connectMs: {zeroRtt: LatencySummary; ordinary: LatencySummary}
  /** From connect() to the gateway's reply: one round trip more than the origin's answer takes from the gateway. */
  confirmedMs: LatencySummary
  healthChecks: number
  healthFailures: number
}

export interface GatewayTraffic {
  connections: ConnectionReport & {pending: number; served: number}
  bytes: {fromEdges: number; toEdges: number}
  healthChecks: number
  challenges: number
  /** Edge processes known to the replay window. */
  edges: number
  /** Genuine preambles that were refused, by reason. */
  refused: Record<string, number>
  /** Of those refused as too many connections: by the origin's limit that was reached. */
  limited: Record<string, number>
  /** Connections without a good preamble, by what was wrong; they got no reply. */
  unauthenticated: Record<string, number>
  /** From connect() to the origin's SYN/ACK. */
  originConnectMs: LatencySummary
  /** By edge process: how far its clock is ahead of ours, less the time its preamble travelled, ms. */
  clockOffsetMs: Record<string, number>
}

export function edgeTraffic(parts: readonly EdgeProcessStatus[]): EdgeTraffic {
  const {connections, near, far} = addUp(parts)
  return {
    connections,
    bytes: {fromClients: near, toClients: far},
    gaveUp: sum(parts, (part) => part.gaveUp),
    limited: addRecords(parts.map((part) => part.limited)),
    redials: addRecords(parts.map((part) => part.redials)),
    // By name: while a reload is under way, processes may know different ones.
    gateways: (parts[0]?.gateways ?? []).map(({gateway}) =>
      gatewayReport(parts.flatMap((part) => part.gateways.filter((other) => other.gateway === gateway))),
    ),
  }
}

export function gatewayTraffic(parts: readonly GatewayProcessStatus[]): GatewayTraffic {
  const {connections, near, far} = addUp(parts)
  return {
    connections: {
      ...connections,
      pending: sum(parts, (part) => part.pending),
      served: sum(parts, (part) => part.served),
    },
    bytes: {fromEdges: near, toEdges: far},
    healthChecks: sum(parts, (part) => part.healthChecks),
    challenges: sum(parts, (part) => part.challenges),
    edges: Math.max(0, ...parts.map((part) => part.instances)),
    refused: addRecords(parts.map((part) => part.refused)),
    limited: addRecords(parts.map((part) => part.limited)),
    unauthenticated: addRecords(parts.map((part) => part.unauthenticated)),
    originConnectMs: merged(parts.map((part) => part.originConnectMs)),
    clockOffsetMs: Object.assign({}, ...parts.map((part) => part.clockOffsetMs)) as Record<string, number>,
  }
}

const SEVERITY = ['up', 'unknown', 'suspect', 'down']

function gatewayReport(parts: readonly EdgeGatewayProcessStatus[]): EdgeGatewayReport {
  const known = parts.filter((part) => part.rttMs > 0).map((part) => part.rttMs)
  return {
    gateway: parts[0].gateway,
    state: SEVERITY[Math.max(...parts.map((part) => SEVERITY.indexOf(part.state)))],
    rttMs: known.length === 0 ? null : Math.round(Math.min(...known) * 1000) / 1000,
    zeroRttBlocked: parts.some((part) => part.zeroRttBlocked),
    dials: addHandshakes(parts.map((part) => part.dials)),
    accepted: addHandshakes(parts.map((part) => part.accepted)),
    failures: addRecords(parts.map((part) => part.failures)),
    connectMs: {
      zeroRtt: merged(parts.map((part) => part.connectMs.zeroRtt)),
      ordinary: merged(parts.map((part) => part.connectMs.ordinary)),
    },
    confirmedMs: merged(parts.map((part) => part.confirmedMs)),
    healthChecks: sum(parts, (part) => part.healthChecks),
    healthFailures: sum(parts, (part) => part.healthFailures),
  }
}

function addUp(parts: readonly {live: number; counters: RelayCounters}[]): {
  connections: ConnectionReport
  near: number
  far: number
} {
  return {
    connections: {
      live: sum(parts, (part) => part.live),
      accepted: sum(parts, (part) => part.counters.accepted),
      completed: sum(parts, (part) => part.counters.completed),
      reset: sum(parts, (part) => part.counters.reset),
      idleTimeouts: sum(parts, (part) => part.counters.idleTimeouts),
      aborted: sum(parts, (part) => part.counters.aborted),
    },
    near: sum(parts, (part) => part.counters.nearBytes),
    far: sum(parts, (part) => part.counters.farBytes),
  }
}

function sum<Part>(parts: readonly Part[], of: (part: Part) => number): number {
  let total = 0
  for (const part of parts) total += of(part)
  return total
}

function addRecords(records: readonly Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const record of records) {
    for (const [name, count] of Object.entries(record)) total[name] = (total[name] ?? 0) + count
  }

  return total
}

function addHandshakes(parts: readonly {zeroRtt: number; ordinary: number}[]): {zeroRtt: number; ordinary: number} {
  return {zeroRtt: sum(parts, (part) => part.zeroRtt), ordinary: sum(parts, (part) => part.ordinary)}
}

function merged(parts: readonly HistogramJson[]): LatencySummary {
  const histogram = new LatencyHistogram()
  for (const part of parts) histogram.merge(part)
  return histogram.summary()
}
