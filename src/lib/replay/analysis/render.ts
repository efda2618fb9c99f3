import {textTable} from '../../cli/table.js'
import type {Analysis, ReplayConnection} from '../connection.js'

const DEFINITIONS = `handshake: from the last copy of the SYN to the first segment after it with ACK and without SYN, as tshark's
tcp.analysis.initial_rtt; first byte: from the last byte of the client's first turn to the server's first byte after it.
Both as captured, in ms.`

/** The connections of a capture, one a line, for people. */
export function renderConnections(connections: readonly ReplayConnection[]): string {
  if (connections.length === 0) return 'No TCP connections.'
  const columns = [
    {title: 'id', align: 'right' as const},
    {title: 'client'},
    {title: 'server'},
    {title: 'handshake', align: 'right' as const},
    {title: 'first byte', align: 'right' as const},
    {title: 'SYNs again', align: 'right' as const},
    {title: 'seen'},
    {title: 'capture stood'},
    {title: 'note'},
  ]
  const rows = connections.map((connection) => [
    connection.id,
    connection.client,
    connection.server,
    ms(connection.handshakeRttMs),
    ms(connection.requestToFirstByteMs),
    connection.synRetransmissions,
    connection.completeness.join(' '),
    connection.vantage,
    connection.excluded ?? (connection.refused ? 'refused' : ''),
  ])
  const handshakes = connections.some(({handshakeRttMs}) => handshakeRttMs !== null)
  return `${textTable(columns, rows)}\n\n${handshakes ? DEFINITIONS : 'No handshake is in the capture.'}`
}

/** What was read of each source, and what could not be. */
export function renderSources({sources, problems}: Pick<Analysis, 'sources' | 'problems'>): string {
  const lines = sources.map(({source, format, linkTypes, packets, tcpPackets, skipped}) => {
    const others = Object.entries(skipped).map(([reason, count]) => `${count} ${reason}`)
    const kinds = linkTypes.length === 0 ? '' : ` (${linkTypes.join(', ')})`
    return `${source}: ${format}${kinds}; ${packets} packets, ${tcpPackets} of TCP${others.map((text) => `, ${text}`).join('')}`
  })
  for (const {source, offset, problem, ended} of problems) {
    lines.push(`${source}, byte ${offset}: ${problem}${ended ? '; what comes after it was not read' : ''}`)
  }

  return lines.join('\n')
}

function ms(value: number | null): string {
  return value === null ? '-' : value.toFixed(3)
}
