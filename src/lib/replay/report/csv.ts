import type {ReplayConnection} from '../connection.js'
import {modelConnection} from '../model/model.js'
import {modelConnectionOf} from '../model/model-connections.js'
import type {ModelParameters} from '../model/parameters.js'
import {round} from '../../bench/percentiles.js'

type Cell = number | string | null | undefined

/** What spreadsheets take for the beginning of a formula. */
const FORMULA = /^[=+\-@\t\r]/

/**
 * One cell (RFC 4180). A text that a spreadsheet would compute gets an apostrophe in front: names come from captures and
 * command lines.
 */
export function csvCell(cell: Cell): string {
  if (cell === null || cell === undefined) return ''
  if (typeof cell === 'number') return String(round(cell))
  const text = FORMULA.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** A line with its end. */
export function csvLine(cells: readonly Cell[]): string {
  return cells.map((cell) => csvCell(cell)).join(',') + '\r\n'
}

/**
 * One line for each connection, with what the model says of it: times in ms, a saving for each latency. Empty cells where
 * the capture does not tell, or the connection is not modelled.
 *
 * @param sources names of the files, by {@link ReplayConnection.source}
 * @yields lines with their ends, the titles first
 */
export function* csvOf(
  connections: Iterable<ReplayConnection>,
  parameters: ModelParameters,
  sources: readonly string[],
): Generator<string> {
  const latencies = parameters.replicationAckMs
  yield csvLine([
    'id',
    'source',
    'client',
    'server',
    'start_ms',
    'end_ms',
    'handshake_rtt_ms',
    'syn_retransmissions',
    'completeness',
    'request_to_first_byte_ms',
    'vantage',
    'bytes_from_client',
    'bytes_from_server',
    'excluded',
    'direct_handshake_ms',
    ...latencies.map((ms) => `zero_rtt_handshake_saved_ms_at_${ms}`),
    ...latencies.map((ms) => `zero_rtt_first_byte_saved_ms_at_${ms}`),
    ...latencies.map((ms) => `split_handshake_saved_ms_at_${ms}`),
  ])
  for (const connection of connections) {
    yield csvLine([
      connection.id,
      sources[connection.source],
      connection.client,
      connection.server,
      connection.startMs,
      connection.endMs,
      connection.handshakeRttMs,
      connection.synRetransmissions,
      connection.completeness.join(' '),
      connection.requestToFirstByteMs,
      connection.vantage,
      connection.fromClient.streamBytes,
      connection.fromServer.streamBytes,
      connection.excluded ?? '',
      ...modelCells(connection, parameters),
    ])
  }
}

function modelCells(connection: ReplayConnection, parameters: ModelParameters): Cell[] {
  const of = modelConnectionOf(connection, parameters)
  if (typeof of === 'string') return Array.from({length: 1 + 3 * parameters.replicationAckMs.length}, () => null)
  const {direct, rows} = modelConnection(of, parameters)
  return [
    direct.handshakeMs,
    ...rows.map(({zeroRtt}) => direct.handshakeMs - zeroRtt.handshakeMs),
    ...rows.map(({zeroRtt}) =>
      direct.firstByteMs === null || zeroRtt.firstByteMs === null ? null : direct.firstByteMs - zeroRtt.firstByteMs,
    ),
    ...rows.map(({split}) => direct.handshakeMs - split.handshakeMs),
  ]
}
