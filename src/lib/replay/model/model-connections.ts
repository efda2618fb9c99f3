import {MadeList, type List} from '../../cli/made-list.js'
import type {ReplayConnection, SynOptions} from '../connection.js'
import {ScratchSpace} from '../spill/scratch-space.js'
import {SpilledColumn} from '../spill/spilled-column.js'
import type {ModelConnection} from './model.js'
import {ModelColumns} from './model-columns.js'
import type {ModelParameters} from './parameters.js'

/** Captured connections that are not modelled, and why. */
export interface LeftOut {
  reason: 'mid-stream' | 'syn-not-captured' | 'refused' | 'no whole handshake'
  connections: number
}

/** Of a SYN that was not captured; the usual one of Ethernet over IPv4. */
const USUAL_MSS = 1460
/** Of a SYN without the option: RFC 9293, 3.7.1. */
const DEFAULT_MSS = 536
/** What each segment loses to timestamps when both sides offer them (RFC 7323). */
const TIMESTAMPS_BYTES = 12
/** Linux sends no smaller segments (TCP_MIN_SND_MSS). */
const LEAST_MSS = 48

/**
 * The round trip of a captured connection's path in ms, or null. Not its handshake's duration: a SYN that was lost waited
 * for a timer, which is no round trip, so the last SYN before the SYN/ACK counts here.
 */
export function pathRttMs({serverRttMs, clientRttMs}: ReplayConnection): number | null {
  return serverRttMs === null || clientRttMs === null ? null : serverRttMs + clientRttMs
}

/** Bytes of payload in a full segment of the connection. */
export function segmentBytes({synOptions, synAckOptions}: ReplayConnection): number {
  const timestamps = synOptions?.timestamps && synAckOptions?.timestamps
  return Math.max(
    LEAST_MSS,
    Math.min(offered(synOptions), offered(synAckOptions)) - (timestamps ? TIMESTAMPS_BYTES : 0),
  )
}

function offered(options: SynOptions | null): number {
  return options === null ? USUAL_MSS : (options.mss ?? DEFAULT_MSS)
}

/** What of a captured connection the model needs, or why it cannot be modelled. */
export function modelConnectionOf(
  connection: ReplayConnection,
  {mssBytes}: Pick<ModelParameters, 'mssBytes'>,
): LeftOut['reason'] | ModelConnection {
  if (connection.excluded !== undefined) return connection.excluded
  if (connection.refused) return 'refused'
  const rttMs = pathRttMs(connection)
  if (rttMs === null) return 'no whole handshake'
  const {id, server, turns} = connection
  return {id, server, rttMs, mssBytes: mssBytes ?? segmentBytes(connection), turns}
}

/**
 * What one pass over all connections tells: those that can be modelled, in their order and each made when it is asked for,
 * what decides how they open, and how many cannot be.
 *
 * @param scratch where the columns lie
 */
export function modelConnections(
  connections: List<ReplayConnection>,
  parameters: Pick<ModelParameters, 'mssBytes'>,
  scratch = new ScratchSpace(),
): {modelled: List<ModelConnection>; columns: ModelColumns; leftOut: LeftOut[]; handshakeRttMs: SpilledColumn} {
  const indices = new SpilledColumn(scratch)
  const columns = new ModelColumns(scratch)
  const handshakes = new SpilledColumn(scratch)
  const reasons = new Map<LeftOut['reason'], number>()
  let index = 0
  for (const connection of connections) {
    if (connection.handshakeRttMs !== null) handshakes.push(connection.handshakeRttMs)
    const of = modelConnectionOf(connection, parameters)
    if (typeof of === 'string') reasons.set(of, (reasons.get(of) ?? 0) + 1)
    else {
      indices.push(index)
      columns.add(of)
    }

    index++
  }

  const make = (nth: number): ModelConnection =>
    modelConnectionOf(connections.at(indices.at(nth))!, parameters) as ModelConnection
  return {
    modelled: new MadeList(indices.length, make),
    columns,
    handshakeRttMs: handshakes,
    leftOut: [...reasons].map(([reason, count]) => ({reason, connections: count})),
  }
}
