import {textTable, type Column} from '../cli/table.js'
import type {DemoResult, TimelineEvent} from './schema.js'

/** The comparison as a table, then the opening of the middle leg packet by packet. */
export function renderDemo(demo: DemoResult): string {
  const {rttMs} = demo
  const split = demo.paths.find((path) => path.name === 'split')?.firstByteMs ?? 0
  const table = textTable(
    [{title: 'path'}, right('connect'), right('first byte'), right('total'), right('against split')],
    demo.paths.map((path) => [
      path.name,
      path.connectMs.toFixed(1),
      path.firstByteMs.toFixed(1),
      path.totalMs.toFixed(1),
      path.name === 'split' ? '' : signed(path.firstByteMs - split),
    ]),
  )
  return [
    `curl fetches a page from nginx. Round trips: client-edge ${rttMs.clientEdge} ms, edge-gateway ${rttMs.edgeGateway} ms, gateway-origin ${rttMs.gatewayOrigin} ms.`,
    `Times in ms as curl measures them, medians of ${demo.fetches}:`,
    '',
    table,
    '',
    `A zero-RTT middle leg brings the first byte ${demo.savedMs.toFixed(1)} ms earlier than an ordinary one; its round trip is ${rttMs.edgeGateway} ms.`,
    '',
    'How the middle leg was opened, from packets captured at the edge; times in ms after the SYN:',
    '',
    textTable(
      [right('ms'), {title: 'direction'}, {title: 'packet'}],
      demo.timeline.map((event) => [event.atMs.toFixed(3), direction(event), describe(event, demo.suggestedNumber)]),
    ),
  ].join('\n')
}

function direction({event}: TimelineEvent): string {
  if (event === 'dummy-syn-ack') return 'edge, to itself'
  return event === 'syn' || event === 'first-data-to-gateway' ? 'edge -> gateway' : 'gateway -> edge'
}

function describe(event: TimelineEvent, suggested: number | null): string {
  switch (event.event) {
    case 'syn':
      return suggested === null
        ? `SYN, seq ${event.sequence}: an ordinary handshake`
        : `SYN, seq ${event.sequence}, suggests ${suggested} (in the ACK field, ACK flag clear)`
    case 'dummy-syn-ack':
      return `dummy SYN/ACK, seq ${event.sequence}: the edge's own TCP takes the connection for open`
    case 'real-syn-ack':
      return `${suggested === null ? '' : 'real '}SYN/ACK, seq ${event.sequence}${suggested === event.sequence ? ': the number that was suggested' : ''}`
    case 'first-data-to-gateway':
      return `first data, ${event.payloadBytes} bytes, seq ${event.sequence}: the preamble and the request`
    case 'first-data-to-edge':
      return `first data back, ${event.payloadBytes} bytes, seq ${event.sequence}`
  }
}

function signed(ms: number): string {
  return `${ms >= 0 ? '+' : ''}${ms.toFixed(1)}`
}

function right(title: string): Column {
  return {title, align: 'right'}
}
