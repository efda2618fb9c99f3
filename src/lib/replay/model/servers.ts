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
  for (const server of servers) counts[server]++
  /** Round trips of all connections, server after server. */
  const rtts = new Float64Array(columns.length)
  const ends = new Uint32Array(serverNames.length)
  let end = 0
  for (const [server, count] of counts.entries()) {
    ends[server] = end
    end += count
  }

  for (let index = 0; index < servers.length; index++) rtts[ends[servers.at(index)]++] = columns.rttMs.at(index)
  const order = byCount(counts)
  return new MadeList(order.length, (rank) => {
    const server = order[rank]
    return serverRow(serverNames.at(server), rtts.subarray(ends[server] - counts[server], ends[server]), parameters)
  })
}

/** Indices of the counts, the greatest first, then the lowest index. Numbers sort in place, by a comparison they do not. */
function byCount(counts: Uint32Array): Uint32Array {
  let most = 0
  for (const count of counts) most = Math.max(most, count)
  // Each below 2^53: the counts add up to less than 2^26 connections.
  const keys = Float64Array.from(counts, (count, index) => (most - count) * counts.length + index).sort()
  return Uint32Array.from(keys, (key) => key % counts.length)
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
