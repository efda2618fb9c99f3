import {textTable, type Column} from '../cli/table.js'
import type {ContactResult, HandshakeBench} from './schema.js'

/** The result as text: what was measured in words, one table per request size, then what was left out. */
export function renderHandshakeBench(bench: HandshakeBench): string {
  const {rttMs, floorMs} = bench
  const sizes = [...new Set(bench.paths.flatMap((path) => path.sizes.map((size) => size.requestBytes)))]
  return [
    `Round trips as configured: client-edge ${rttMs.clientEdge} ms, edge-gateway ${rttMs.edgeGateway} ms, gateway-origin ${rttMs.gatewayOrigin} ms; ${bench.congestionControl} on every socket.`,
    'Times in ms from the client calling connect(): until connected, until the origin had read the whole request, until',
    `the first byte of the response of ${bench.responseBytes} bytes. "first": no host remembers anything of another; "again": right after it.`,
    ...sizes.flatMap((size) => ['', `Request of ${size} bytes`, sizeTable(bench, size)]),
    '',
    `floor: the client's handshake with the edge, then once over the whole path and back: request at origin ${floorMs.requestAtOrigin} ms, first byte ${floorMs.firstByte} ms.`,
    ...bench.paths.flatMap(({name, middleConnectMs: middle}) =>
      middle ? [`${name}: connect() from edge to gateway took ${middle.p50} ms (p50), ${middle.p99} ms (p99).`] : [],
    ),
    ...bench.paths.flatMap((path) => (path.skipped === undefined ? [] : [`${path.name} was skipped: ${path.skipped}`])),
    ...bench.paths.flatMap((path) =>
      path.errors === 0 ? [] : [`${path.name}: ${path.errors} exchanges failed: ${path.errorMessages.join('; ')}`],
    ),
  ].join('\n')
}

function sizeTable(bench: HandshakeBench, requestBytes: number): string {
  const rows = bench.paths.flatMap((path) => {
    const size = path.sizes.find((candidate) => candidate.requestBytes === requestBytes)
    if (!size) return []
    return [
      row(path.name, 'first', size.first, bench.floorMs.firstByte),
      row('', 'again', size.repeated, bench.floorMs.firstByte),
    ]
  })
  return textTable(
    [
      {title: 'path'},
      {title: 'contact'},
      right('connect p50'),
      right('at origin p50'),
      right('first byte p50'),
      right('p90'),
      right('p99'),
      right('over floor'),
      right('samples'),
    ],
    rows,
  )
}

function right(title: string): Column {
  return {title, align: 'right'}
}

function row(name: string, contact: string, result: ContactResult, floorMs: number): (number | string)[] {
  const {connectMs, requestAtOriginMs, firstByteMs, samples} = result
  if (!connectMs || !requestAtOriginMs || !firstByteMs) return [name, contact, '-', '-', '-', '-', '-', '-', samples]
  return [
    name,
    contact,
    ...[connectMs.p50, requestAtOriginMs.p50, firstByteMs.p50, firstByteMs.p90, firstByteMs.p99].map((ms) =>
      ms.toFixed(1),
    ),
    `${firstByteMs.p50 >= floorMs ? '+' : ''}${(firstByteMs.p50 - floorMs).toFixed(1)}`,
    samples,
  ]
}
