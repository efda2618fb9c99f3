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

/** By handshake saving, the most first. */
export function rankConnections(
  connections: readonly ReplayConnection[],
  parameters: ModelParameters,
): RankedConnection[] {
  const lowest = {...parameters, replicationAckMs: parameters.replicationAckMs.slice(0, 1)}
  return connections
    .flatMap((captured) => {
      const modelled = modelConnectionOf(captured, lowest)
      if (typeof modelled === 'string') return []
      const {direct, rows} = modelConnection(modelled, lowest)
      const {handshakeMs, firstByteMs} = rows[0].zeroRtt
      return [
        {
          captured,
          modelled,
          handshakeSavedMs: direct.handshakeMs - handshakeMs,
          firstByteSavedMs:
            direct.firstByteMs === null || firstByteMs === null ? null : direct.firstByteMs - firstByteMs,
        },
      ]
    })
    .sort((a, b) => b.handshakeSavedMs - a.handshakeSavedMs)
}

/** The one in the middle of the ranking that has an answer of the server, else the one in the middle; null without any. */
export function typicalConnection(ranked: readonly RankedConnection[]): RankedConnection | null {
  const answered = ranked.filter(({firstByteSavedMs}) => firstByteSavedMs !== null)
  const candidates = answered.length > 0 ? answered : ranked
  return candidates.at(Math.floor(candidates.length / 2)) ?? null
}
