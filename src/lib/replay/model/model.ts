import type {List} from '../../cli/made-list.js'
import {spreadIndices} from '../evenly-spread.js'
import {breakEvenOf} from './break-even.js'
import {playConversation, type ConversationTimes, type ModelTurn} from './conversation.js'
import {distributionOf, type Distribution, type Numbers} from './distribution.js'
import {firstByteAt} from './first-byte.js'
import {ModelColumns, type PathTimes} from './model-columns.js'
import {openDirect, openSplit, type ModelPath, type Opening} from './opening.js'
import {legsFor, type ModelParameters} from './parameters.js'
import type {ModelResult, PathRow, SavingsRow} from './schema.js'
import {serverRows} from './servers.js'

/** What the model needs of a captured connection. */
export interface ModelConnection {
  id: number
  server: string
  /** Round trip of its handshake, ms. */
  rttMs: number
  mssBytes: number
  turns: readonly ModelTurn[]
}

/** Times of one connection over one path, ms since connect(). */
export interface OpeningTimes {
  connectMs: number
  handshakeMs: number
  firstByteMs: number | null
}

/** One connection over all paths; `rows` in the order of the parameters' latencies. */
export interface ModelledConnection {
  direct: OpeningTimes
  rows: {replicationAckMs: number; split: OpeningTimes; zeroRtt: OpeningTimes}[]
}

/** The most conversations that are played to their end: each takes some tenths of a millisecond. */
const PLAYED_CONNECTIONS = 1000
/** What of a turn is played at most, bytes: beyond that rate, which this model does not know, decides. */
const PLAYED_BYTES = 16 << 20

/** How one connection opens over every path, and when the server's first byte is back. */
export function modelConnection(connection: ModelConnection, parameters: ModelParameters): ModelledConnection {
  const rtts = legsFor(parameters, connection.rttMs)
  const times = (opening: Opening): OpeningTimes => ({
    connectMs: opening.connectMs,
    handshakeMs: opening.handshakeMs,
    firstByteMs: firstByteAt(opening, connection.turns, parameters, connection.mssBytes),
  })
  return {
    direct: times(openDirect(connection.rttMs)),
    rows: parameters.replicationAckMs.map((replicationAckMs) => ({
      replicationAckMs,
      split: times(openSplit(rtts, parameters, false, replicationAckMs)),
      zeroRtt: times(openSplit(rtts, parameters, true, replicationAckMs)),
    })),
  }
}

/** A whole conversation over one path. @param replicationAckMs null without a pair */
export function modelConversation(
  {rttMs, mssBytes, turns}: ModelConnection,
  parameters: ModelParameters,
  path: ModelPath,
  replicationAckMs: number | null,
): ConversationTimes {
  const opening =
    path === 'direct'
      ? openDirect(rttMs)
      : openSplit(legsFor(parameters, rttMs), parameters, path === 'zero-rtt', replicationAckMs)
  const played = turns.map((turn) => (turn.bytes > PLAYED_BYTES ? {...turn, bytes: PLAYED_BYTES} : turn))
  return playConversation(opening, played, parameters, mssBytes)
}

/**
 * What the overlay would have saved.
 *
 * @param connections those with a measured handshake, in the order of the capture
 * @param columns of them all, where somebody has made them already: then only some of the connections are asked for
 */
export function runModel(
  connections: List<ModelConnection>,
  parameters: ModelParameters,
  columns = ModelColumns.of(connections),
): ModelResult {
  const played = spreadIndices(connections.length, PLAYED_CONNECTIONS).map((index) => connections.at(index)!)
  const ends = (path: ModelPath, ackMs: number | null): Float64Array =>
    Float64Array.from(
      played,
      (connection) => modelConversation(connection, parameters, path, ackMs).completedMs ?? Number.NaN,
    )
  const direct = columns.newTimes()
  columns.times(parameters, 'direct', null, direct)
  const completedDirect = ends('direct', null)
  const paths: PathRow[] = [{path: 'direct', replicationAckMs: null, ...timesRow(direct, completedDirect)}]
  const savings: SavingsRow[] = []
  const means: {replicationAckMs: number; savedMs: number}[] = []
  const times = columns.newTimes()
  for (const replicationAckMs of parameters.replicationAckMs) {
    const saved: Partial<Record<'split' | 'zero-rtt', Saved>> = {}
    for (const path of ['split', 'zero-rtt'] as const) {
      columns.times(parameters, path, replicationAckMs, times)
      const completed = ends(path, replicationAckMs)
      paths.push({path, replicationAckMs, ...timesRow(times, completed)})
      if (path === 'zero-rtt' && columns.length > 0) {
        means.push({replicationAckMs, savedMs: meanDifference(direct.handshakeMs, times.handshakeMs)})
      }

      saved[path] = {
        handshakeSavedMs: distributionOf(direct.handshakeMs, times.handshakeMs),
        firstByteSavedMs: distributionOf(direct.firstByteMs, times.firstByteMs),
        completedSavedMs: distributionOf(completedDirect, completed),
      }
    }

    savings.push({replicationAckMs, ...saved['zero-rtt']!, split: saved.split!})
  }

  const breakEven = breakEvenOf(means)
  return {
    model: {...parameters, connections: columns.length, playedToTheEnd: played.length},
    paths,
    savings,
    breakEvenReplicationAckMs: breakEven.atMs,
    breakEven: breakEven.verdict,
    servers: serverRows(columns, parameters),
  }
}

interface Saved {
  handshakeSavedMs: Distribution | null
  firstByteSavedMs: Distribution | null
  completedSavedMs: Distribution | null
}

function timesRow(times: PathTimes, ends: Float64Array): Omit<PathRow, 'path' | 'replicationAckMs'> {
  return {
    connectMs: distributionOf(times.connectMs),
    handshakeMs: distributionOf(times.handshakeMs),
    firstByteMs: distributionOf(times.firstByteMs),
    completedMs: distributionOf(ends),
  }
}

function meanDifference(from: Numbers, to: Numbers): number {
  let sum = 0
  for (let index = 0; index < from.length; index++) sum += from.at(index)! - to.at(index)!
  return sum / from.length
}
