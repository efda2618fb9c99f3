import {textTable} from '../cli/table.js'
import type {ReadyEvent, StoppedEvent} from './foreground.js'
import type {LatencySummary} from './latency-histogram.js'
import type {LogLine} from './rate-limited-log.js'
import type {EdgeTraffic, GatewayTraffic} from './status-report.js'
import type {DrainReport, InstanceStatus} from './supervisor.js'

/** Texts of the edge and gateway commands. */
export function renderReady({role, name, listen, processes, pid, zeroRtt}: ReadyEvent): string {
  const count = `${processes.length} ${processes.length === 1 ? 'process' : 'processes'}`
  return `${role} "${name}": ready on ${listen.join(', ')}, ${count}, zero-RTT ${zeroRtt ? 'on' : 'off'}, pid ${pid}`
}

export function renderStopped({role, name, ...report}: StoppedEvent): string {
  return `${role} "${name}": stopped. ${renderDrain(report)}`
}

export function renderDrain({open, aborted, durationMs}: DrainReport): string {
  return `${open} connections were open, ${aborted} of them were reset; it took ${durationMs} ms`
}

/** One line of a log on stderr: text for people, JSON for programs. */
export function renderLog(line: LogLine, role: string, name: string, json: boolean): string {
  const time = new Date().toISOString()
  if (json) return JSON.stringify({time, role, name, ...line})
  const more = line.suppressed > 0 ? ` (${line.suppressed} more of this kind were not shown)` : ''
  const flow = line.flow === undefined ? '' : `flow ${line.flow}: `
  return `${time} ${role} "${name}" ${line.level}: ${flow}${line.message}${more}`
}

/** @param previous an earlier look at the same instance: then rates are shown */
export function renderStatus(status: InstanceStatus, previous: InstanceStatus | null = null): string {
  const {role, name, state, pid, uptimeMs, listen, processes, restarts, keys} = status
  const lines = [
    `${role} "${name}": ${state} on ${listen.join(', ')}, pid ${pid}, up ${Math.round(uptimeMs / 1000)} s`,
    `processes: ${processes.map((process) => process.pid).join(', ')}; restarted ${restarts} times`,
    `key: ${keys.current}${keys.previous === null ? '' : `, ${keys.previous} also accepted`}`,
    status.handshake === null ? 'zero-RTT: off' : 'zero-RTT: on',
  ]
  const rates = previous === null ? null : renderRates(previous, status)
  if (rates !== null) lines.push(rates)
  return [
    ...lines,
    '',
    role === 'edge' ? renderEdge(status.traffic as EdgeTraffic) : renderGateway(status.traffic as GatewayTraffic),
  ].join('\n')
}

/** What came in between two looks at the same instance, a second; null when they cannot be compared. Pure. */
export function renderRates(previous: InstanceStatus, now: InstanceStatus): string | null {
  const seconds = (now.uptimeMs - previous.uptimeMs) / 1000
  // A relay process that was started again has begun to count anew.
  if (previous.pid !== now.pid || previous.restarts !== now.restarts || seconds <= 0) return null
  const before = totals(previous)
  const rates = totals(now).map(([what, count], index) => `${Math.round((count - before[index][1]) / seconds)} ${what}`)
  return `a second, since the last look: ${rates.join(', ')}`
}

function totals({role, traffic}: InstanceStatus): [string, number][] {
  if (role === 'edge') {
    const {connections, bytes} = traffic as EdgeTraffic
    return [
      ['accepted', connections.accepted],
      ['bytes from clients', bytes.fromClients],
      ['to clients', bytes.toClients],
    ]
  }

  const {connections, bytes} = traffic as GatewayTraffic
  return [
    ['served', connections.served],
    ['bytes from edges', bytes.fromEdges],
    ['to edges', bytes.toEdges],
  ]
}

function renderEdge({connections, bytes, gaveUp, limited, redials, gateways}: EdgeTraffic): string {
  return [
    `connections: ${connections.live} open, ${connections.accepted} accepted, ${connections.completed} completed, ${connections.reset} reset, ${gaveUp} without a gateway`,
    `bytes: ${bytes.fromClients} from clients, ${bytes.toClients} to clients`,
    `dialled again: ${counts(redials)}`,
    `reset by a limit: ${counts(limited)}`,
    '',
    textTable(
      [
        {title: 'gateway'},
        {title: 'state'},
        {title: 'RTT ms', align: 'right'},
        {title: 'accepted 0-RTT/ordinary', align: 'right'},
        {title: 'connect p50/p99 ms 0-RTT', align: 'right'},
        {title: 'ordinary', align: 'right'},
        {title: 'failures'},
      ],
      gateways.map((gateway) => [
        gateway.gateway,
        gateway.zeroRttBlocked ? `${gateway.state}, 0-RTT off` : gateway.state,
        gateway.rttMs ?? '-',
        `${gateway.accepted.zeroRtt}/${gateway.accepted.ordinary}`,
        percentiles(gateway.connectMs.zeroRtt),
        percentiles(gateway.connectMs.ordinary),
        counts(gateway.failures),
      ]),
    ),
    'RTT: from the preamble of a health check sent to its reply, the shortest of eight.',
    'connect: from connect() to the moment the socket took the first bytes.',
  ].join('\n')
}

function renderGateway(traffic: GatewayTraffic): string {
  const {connections, bytes, refused, limited, unauthenticated, originConnectMs, edges, clockOffsetMs} = traffic
  const offsets = Object.values(clockOffsetMs).map((offset) => `${offset}`)
  return [
    `connections: ${connections.live} open, ${connections.pending} without a preamble yet, ${connections.served} served, ${connections.completed} completed, ${connections.reset} reset`,
    `bytes: ${bytes.fromEdges} from edges, ${bytes.toEdges} to edges`,
    `edge processes known: ${edges}; their clocks are off by ${offsets.join(', ') || '-'} ms`,
    `refused: ${counts(refused)}`,
    `of these by a limit of the origin: ${counts(limited)}`,
    `without a good preamble: ${counts(unauthenticated)}`,
    `origin connect p50/p99 ms: ${percentiles(originConnectMs)}`,
  ].join('\n')
}

function counts(record: Record<string, number>): string {
  const parts = Object.entries(record).map(([name, count]) => `${name} ${count}`)
  return parts.length === 0 ? 'none' : parts.join(', ')
}

function percentiles({p50, p99}: LatencySummary): string {
  return p50 === null ? '-' : `${p50}/${p99}`
}
