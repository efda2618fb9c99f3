import {MadeList, type List} from '../../cli/made-list.js'
import {Column} from '../column.js'
import type {ReplayConnection} from '../connection.js'
import {modelConnection, type ModelConnection} from '../model/model.js'
import {modelConnectionOf} from '../model/model-connections.js'
import type {ModelParameters} from '../model/parameters.js'

/** A connection with what it would have saved at the lowest replication-ack latency of the parameters. */
export interface RankedConnection {
  captured: ReplayConnection
  modelled: ModelConnection
  handshakeSavedMs: number
  firstByteSavedMs: number | null
}

/** By handshake saving, the most first; each is made when it is asked for. */
export function rankConnections(
  connections: List<ReplayConnection>,
  parameters: ModelParameters,
): List<RankedConnection> {
  const indices = new Column()
  const saved = new Column()
  let index = 0
  for (const captured of connections) {
    const ranked = rankedConnection(captured, parameters)
    if (ranked !== null) {
      indices.push(index)
      saved.push(ranked.handshakeSavedMs)
    }

    index++
  }

  const order = Uint32Array.from({length: indices.length}, (_, nth) => nth).sort((a, b) => saved.at(b) - saved.at(a))
  return new MadeList(order.length, (rank) => rankedConnection(connections.at(indices.at(order[rank]))!, parameters)!)
}

/** @returns null when it is not modelled */
export function rankedConnection(captured: ReplayConnection, parameters: ModelParameters): RankedConnection | null {
  const lowest = {...parameters, replicationAckMs: parameters.replicationAckMs.slice(0, 1)}
  const modelled = modelConnectionOf(captured, lowest)
  if (typeof modelled === 'string') return null
  const {direct, rows} = modelConnection(modelled, lowest)
  const {handshakeMs, firstByteMs} = rows[0].zeroRtt
  return {
    captured,
    modelled,
    handshakeSavedMs: direct.handshakeMs - handshakeMs,
    firstByteSavedMs: direct.firstByteMs === null || firstByteMs === null ? null : direct.firstByteMs - firstByteMs,
  }
}

/** The one in the middle of the ranking that has an answer of the server, else the one in the middle; null without any. */
export function typicalConnection(ranked: List<RankedConnection>): RankedConnection | null {
  let answered = 0
  for (const {firstByteSavedMs} of ranked) if (firstByteSavedMs !== null) answered++
  if (answered === 0) return ranked.at(Math.floor(ranked.length / 2)) ?? null
  let before = Math.floor(answered / 2)
  for (const each of ranked) if (each.firstByteSavedMs !== null && before-- === 0) return each
  return null
}
