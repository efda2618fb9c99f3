import {round} from '../../bench/percentiles.js'
import {MadeList} from '../../cli/made-list.js'
import {breakEvenOf} from './break-even.js'
import {distributionOf} from './distribution.js'
import type {ModelColumns} from './model-columns.js'
import {openDirect, openSplit} from './opening.js'
import {legsFor, type ModelParameters} from './parameters.js'
import type {ServerRow} from './schema.js'

/** By server, those with the most connections first. A row is made when it is asked for. */
export function serverRows(columns: ModelColumns, parameters: ModelParameters): MadeList<ServerRow> {
  const {serverNames, servers} = columns
  const counts = new Uint32Array(serverNames.length)
  for (const server of servers.values()) counts[server]++
  /** Round trips of all connections, server after server. */
  const rtts = new Float64Array(columns.length)
  const ends = new Uint32Array(serverNames.length)
  let end = 0
  for (const [server, count] of counts.entries()) {
    ends[server] = end
    end += count
  }

  for (const [index, server] of servers.values().entries()) rtts[ends[server]++] = columns.rttMs.at(index)
  const order = Uint32Array.from(counts.keys()).sort((a, b) => counts[b] - counts[a])
  return new MadeList(order.length, (rank) => {
    const server = order[rank]
    return serverRow(serverNames[server], rtts.subarray(ends[server] - counts[server], ends[server]), parameters)
  })
}

function serverRow(server: string, rttMs: Float64Array, parameters: ModelParameters): ServerRow {
  const savings = parameters.replicationAckMs.map((replicationAckMs) => {
    let sum = 0
    for (const rtt of rttMs) {
      const zeroRtt = openSplit(legsFor(parameters, rtt), parameters, true, replicationAckMs)
      sum += openDirect(rtt).handshakeMs - zeroRtt.handshakeMs
    }

    return {replicationAckMs, savedMs: sum / rttMs.length}
  })
  const breakEven = breakEvenOf(savings)
  return {
    server,
    connections: rttMs.length,
    rttMs: distributionOf(rttMs)!,
    handshakeSavedMs: savings.map(({replicationAckMs, savedMs}) => ({replicationAckMs, mean: round(savedMs)})),
    breakEvenReplicationAckMs: breakEven.atMs,
    breakEven: breakEven.verdict,
  }
}
