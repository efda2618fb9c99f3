import {sameAddress} from '../wire/endpoint.js'
import type {EdgeConfig, GatewayConfig, ProcessConfig} from './process-config.js'

/** Keys that a running instance takes over, without the role before them; `services` with all below it. */
const LIVE: Record<ProcessConfig['role'], readonly string[]> = {
  edge: [
    'confirmTimeout',
    'connectTimeout',
    'drainTimeout',
    'healthInterval',
    'idleTimeout',
    'maxClientConnections',
    'maxClientRate',
    'maxConnections',
    'retryOtherGateway',
    'services',
    'shutdownDrainTimeout',
  ],
  gateway: [
    'allowOrigins',
    'connectTimeout',
    'drainTimeout',
    'idleTimeout',
    'maxConnections',
    'maxOriginConnections',
    'maxOriginRate',
    'maxPending',
    'preambleTimeout',
    'shutdownDrainTimeout',
  ],
}

/** What a reload does. */
export interface ReloadPlan {
  /** What the relay processes go on by. */
  config: ProcessConfig
  /** Keys that hold then. */
  applied: string[]
  /** Keys that need a restart. */
  restart: string[]
}

/**
 * Which of the changed values can be taken over now, and the configuration with these alone. Pure.
 *
 * @param running what holds
 * @param wanted what was read
 * @param changed keys that differ, with their role
 */
export function planReload(running: ProcessConfig, wanted: ProcessConfig, changed: readonly string[]): ReloadPlan {
  const services = running.role === 'edge' && wanted.role === 'edge' && mayChangeServices(running, wanted)
  const live = (key: string): boolean => {
    const [, name] = key.split('.')
    return LIVE[running.role].includes(name) && (name !== 'services' || services)
  }

  return {
    config: merged(running, wanted, services),
    applied: changed.filter((key) => live(key)),
    restart: changed.filter((key) => !live(key)),
  }
}

function merged(running: ProcessConfig, wanted: ProcessConfig, services: boolean): ProcessConfig {
  const {limits, connectTimeoutMs} = wanted
  const common = {limits, connectTimeoutMs}
  if (running.role === 'edge') {
    const edge = wanted as EdgeConfig
    return {
      ...running,
      ...common,
      confirmTimeoutMs: edge.confirmTimeoutMs,
      healthIntervalMs: edge.healthIntervalMs,
      retryOtherGateway: edge.retryOtherGateway,
      clientLimit: edge.clientLimit,
      ...(services ? {services: edge.services, gateways: edge.gateways} : {}),
    }
  }

  const gateway = wanted as GatewayConfig
  return {
    ...running,
    ...common,
    allowOrigins: gateway.allowOrigins,
    preambleTimeoutMs: gateway.preambleTimeoutMs,
    maxPending: gateway.maxPending,
    originLimit: gateway.originLimit,
  }
}

/** A pair's programs in the kernel know the listeners: they are told of them at the start alone. */
function mayChangeServices(running: EdgeConfig, wanted: EdgeConfig): boolean {
  if (running.pair === null) return true
  return (
    running.services.length === wanted.services.length &&
    wanted.services.every(({listen}) => running.services.some((service) => sameAddress(service.listen, listen)))
  )
}
