import {textTable} from '../cli/table.js'
import {formatEndpoint} from '../wire/endpoint.js'
import type {EdgePlaneStatus} from './edge-plane.js'
import type {GatewayPlaneStatus} from './gateway-plane.js'
import type {PathState} from './path-state.js'

/** The handshake plane of an edge as text. */
export function renderEdgePlane(status: EdgePlaneStatus): string {
  const {counters} = status
  const lines = [
    `edge "${status.name}": zero-RTT handshake on ${status.interfaces.join(', ')}`,
    `gateways: ${status.gateways.map((gateway) => formatEndpoint(gateway)).join(', ')}`,
    `congestion control: ${status.congestionControl === null ? "the program's own" : `bbr becomes ${status.congestionControl}`}`,
    `SYNs with a suggested number: ${counters.synSent}; left ordinary: ${counters.synMarkedOrdinary} asked for, ${counters.synForeignOptions} with unusual options, ${counters.dummyFailed} without a dummy`,
  ]
  if (status.paths.length > 0) lines.push('', renderPaths(status.paths))
  return lines.join('\n')
}

/** One row a gateway. RTT: from the SYN that left to the real SYN/ACK that arrived. */
export function renderPaths(paths: readonly PathState[]): string {
  return textTable(
    [
      {title: 'gateway'},
      {title: 'SYNs', align: 'right'},
      {title: 'confirmed', align: 'right'},
      {title: 'by data', align: 'right'},
      {title: 'mismatched', align: 'right'},
      {title: 'refused', align: 'right'},
      {title: 'unanswered', align: 'right'},
      {title: 'fallbacks', align: 'right'},
      {title: 'RTT last/min/avg ms', align: 'right'},
      {title: 'next SYN'},
      {title: 'path'},
    ],
    paths.map((path) => [
      formatEndpoint(path),
      path.syns,
      path.confirmed,
      path.confirmedByData,
      path.mismatches,
      path.refused,
      path.unanswered,
      path.fallbacks,
      path.rttMs ? [path.rttMs.last, path.rttMs.min, path.rttMs.smoothed].map((ms) => ms.toFixed(3)).join('/') : '-',
      path.ordinary ? 'ordinary' : 'zero-RTT',
      path.verdict ?? '-',
    ]),
  )
}

/** The handshake plane of a gateway as text. */
export function renderGatewayPlane(status: GatewayPlaneStatus): string {
  const {counters} = status
  const lines = [
    `gateway "${status.name}": zero-RTT handshake on ${status.interfaces.join(', ')}`,
    `ports: ${status.ports.join(', ')}`,
    `congestion control: ${status.congestionControl === null ? "the program's own" : `bbr becomes ${status.congestionControl}`}`,
    `connections made by a SYN: ${counters.synAccepted}, by early data: ${counters.dataAccepted}; SYNs answered again: ${counters.synRepeated}`,
    `left to the kernel: ${counters.synUnverified} SYNs and ${counters.dataUnverified} segments without a number of ours, ${counters.synNoListener} SYNs without a listener`,
  ]
  if (status.edges.length > 0) {
    lines.push(
      '',
      textTable(
        [{title: 'edge'}, {title: 'RTT ms', align: 'right'}, {title: 'samples', align: 'right'}],
        status.edges.map((edge) => [edge.address, edge.rttMs.toFixed(3), edge.samples]),
      ),
    )
  }

  return lines.join('\n')
}
