import {haproxyPair, nginxPair, overlayPair, type Contender} from './contenders.js'
import type {LoadPath} from './load-schema.js'

export interface LoadContenderOptions {
  /** Of each relay: relay processes, HAProxy's threads, nginx's workers. */
  processes: number
  /** Open at a time, at least. */
  connections: number
  /** Connections are used one way after the other way has ended. */
  halfClose?: boolean
}

/** Beyond the connections of the load, for health checks and what has not closed yet. */
const SPARE = 256

/** The contenders of load benches, each on a port of its own. All relays have the same number of processes or threads. */
export function loadContenders({processes, connections, halfClose}: LoadContenderOptions): Record<LoadPath, Contender> {
  const maxConnections = Math.max(4096, connections + SPARE)
  const tuning = {threads: processes, maxConnections}
  return {
    direct: {programs: [], start: async (_stage, origin) => origin},
    split: overlayPair('split', 7001, false, {processes, load: true}),
    'zero-rtt': overlayPair('zero-rtt', 7002, true, {processes, load: true}),
    haproxy: haproxyPair(7003, false, tuning),
    'haproxy-splice': haproxyPair(7004, false, {...tuning, splice: true}),
    nginx: nginxPair(7005, {processes, maxSockets: 2 * maxConnections, halfClose}),
  }
}
