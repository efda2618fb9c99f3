import type {PairStatus} from '../pair/pair-status.js'
import type {EdgeGateway} from './edge-dialer.js'
import {OUTCOMES, ORDINARY, ZERO_RTT} from './dial-plan.js'
import type {EdgeRelay} from './edge-relay.js'
import type {GatewayRelay} from './gateway-relay.js'
import type {GatewayState} from './gateway-health.js'
import type {HistogramJson} from './latency-histogram.js'
import type {RelayCounters} from './relay.js'
import {REFUSALS} from '../wire/reply.js'

/** What one edge process reports; the supervisor adds them up. */
export interface EdgeProcessStatus {
  role: 'edge'
  live: number
  counters: RelayCounters
  gaveUp: number
  limited: Record<string, number>
  redials: Record<string, number>
  pair?: PairStatus | null
  gateways: EdgeGatewayProcessStatus[]
}

export interface EdgeGatewayProcessStatus {
  gateway: string
  state: GatewayState
  rttMs: number
  zeroRttBlocked: boolean
  dials: {zeroRtt: number; ordinary: number}
  accepted: {zeroRtt: number; ordinary: number}
  failures: Record<string, number>
  connectMs: {zeroRtt: HistogramJson; ordinary: HistogramJson}
  confirmedMs: HistogramJson
  healthChecks: number
  healthFailures: number
}

export interface GatewayProcessStatus {
  role: 'gateway'
  live: number
  counters: RelayCounters
  pending: number
  served: number
  pair?: PairStatus | null
  healthChecks: number
  challenges: number
  instances: number
  refused: Record<string, number>
  limited: Record<string, number>
  unauthenticated: Record<string, number>
  originConnectMs: HistogramJson
  clockOffsetMs: Record<string, number>
}

export function edgeProcessStatus(relay: EdgeRelay, gateways: readonly EdgeGateway[], now: number): EdgeProcessStatus {
  return {
    role: 'edge',
    live: relay.liveCount,
    counters: relay.countersNow(),
    gaveUp: relay.gaveUp,
    limited: relay.limited,
    redials: named(OUTCOMES, relay.redials),
    gateways: gateways.map((gateway) => ({
      gateway: gateway.name,
      state: gateway.health.state,
      rttMs: gateway.health.rttMs,
      zeroRttBlocked: !gateway.zeroRttFits(now),
      dials: {zeroRtt: gateway.dials[ZERO_RTT], ordinary: gateway.dials[ORDINARY]},
      accepted: {zeroRtt: gateway.accepted[ZERO_RTT], ordinary: gateway.accepted[ORDINARY]},
      failures: named(OUTCOMES, gateway.failures),
      connectMs: {
        zeroRtt: gateway.connectMs[ZERO_RTT].toJSON(),
        ordinary: gateway.connectMs[ORDINARY].toJSON(),
      },
      confirmedMs: gateway.confirmedMs.toJSON(),
      healthChecks: gateway.healthChecks,
      healthFailures: gateway.healthFailures,
    })),
  }
}

export function gatewayProcessStatus(relay: GatewayRelay, instances: number): GatewayProcessStatus {
  return {
    role: 'gateway',
    live: relay.liveCount - relay.pendingCount,
    counters: relay.countersNow(),
    pending: relay.pendingCount,
    served: relay.served,
    healthChecks: relay.healthChecks,
    challenges: relay.challenges,
    instances,
    refused: named(REFUSALS, relay.refused),
    limited: relay.limited,
    unauthenticated: Object.fromEntries(relay.unauthenticated),
    originConnectMs: relay.originConnectMs.toJSON(),
    clockOffsetMs: relay.clockOffsets.toJSON(),
  }
}

/** Counts by name, those that are zero left out. */
function named(names: readonly string[], counts: readonly number[]): Record<string, number> {
  return Object.fromEntries(names.map((name, i) => [name, counts[i]] as const).filter(([, count]) => count > 0))
}
