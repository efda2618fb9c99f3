import {round} from '../../bench/percentiles.js'
import {evenlySpread} from '../evenly-spread.js'
import {breakEvenOf, type BreakEven} from './break-even.js'
import {playConversation, type ConversationTimes, type ModelTurn} from './conversation.js'
import {distributionOf, type Distribution} from './distribution.js'
import {firstByteAt} from './first-byte.js'
import {openDirect, openSplit, type ModelPath, type Opening} from './opening.js'
import {legsFor, type ModelParameters} from './parameters.js'
import type {ModelResult, PathRow, SavingsRow, ServerRow} from './schema.js'

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
 */
export function runModel(connections: readonly ModelConnection[], parameters: ModelParameters): ModelResult {
  const modelled = connections.map((connection) => modelConnection(connection, parameters))
  const played = evenlySpread(connections, PLAYED_CONNECTIONS)
  const completedDirect = played.map((connection) => completed(connection, parameters, 'direct', null))
  const paths: PathRow[] = [
    {
      path: 'direct',
      replicationAckMs: null,
      ...timesRow(
        modelled.map(({direct}) => direct),
        completedDirect,
      ),
    },
  ]
  const savings: SavingsRow[] = []
  for (const [index, replicationAckMs] of parameters.replicationAckMs.entries()) {
    const saved: Partial<Record<'split' | 'zero-rtt', Saved>> = {}
    for (const path of ['split', 'zero-rtt'] as const) {
      const times = modelled.map(({rows}) => (path === 'split' ? rows[index].split : rows[index].zeroRtt))
      const ends = played.map((connection) => completed(connection, parameters, path, replicationAckMs))
      paths.push({path, replicationAckMs, ...timesRow(times, ends)})
      saved[path] = {
        handshakeSavedMs: distributionOf(
          times.map(({handshakeMs}, at) => modelled[at].direct.handshakeMs - handshakeMs),
        ),
        firstByteSavedMs: distributionOf(
          differences(
            modelled.map(({direct}) => direct.firstByteMs),
            times.map(({firstByteMs}) => firstByteMs),
          ),
        ),
        completedSavedMs: distributionOf(differences(completedDirect, ends)),
      }
    }

    savings.push({replicationAckMs, ...saved['zero-rtt']!, split: saved.split!})
  }

  const breakEven = breakEvenOf(meanSavings(modelled))
  return {
    model: {...parameters, connections: connections.length, playedToTheEnd: played.length},
    paths,
    savings,
    breakEvenReplicationAckMs: breakEven.atMs,
    breakEven: breakEven.verdict,
    servers: serverRows(connections, modelled),
  }
}

interface Saved {
  handshakeSavedMs: Distribution | null
  firstByteSavedMs: Distribution | null
  completedSavedMs: Distribution | null
}

function completed(
  connection: ModelConnection,
  parameters: ModelParameters,
  path: ModelPath,
  replicationAckMs: number | null,
): number | null {
  return modelConversation(connection, parameters, path, replicationAckMs).completedMs
}

function timesRow(
  times: readonly OpeningTimes[],
  ends: readonly (number | null)[],
): Omit<PathRow, 'path' | 'replicationAckMs'> {
  return {
    connectMs: distributionOf(times.map(({connectMs}) => connectMs)),
    handshakeMs: distributionOf(times.map(({handshakeMs}) => handshakeMs)),
    firstByteMs: distributionOf(times.flatMap(({firstByteMs}) => (firstByteMs === null ? [] : [firstByteMs]))),
    completedMs: distributionOf(ends.flatMap((end) => (end === null ? [] : [end]))),
  }
}

function differences(from: readonly (number | null)[], to: readonly (number | null)[]): number[] {
  return from.flatMap((value, index) => {
    const other = to[index]
    return value === null || other === null ? [] : [value - other]
  })
}

/** Mean handshake saving of zero-RTT at each latency. */
function meanSavings(modelled: readonly ModelledConnection[]): {replicationAckMs: number; savedMs: number}[] {
  if (modelled.length === 0) return []
  return modelled[0].rows.map(({replicationAckMs}, index) => ({
    replicationAckMs,
    savedMs: mean(modelled.map(({direct, rows}) => direct.handshakeMs - rows[index].zeroRtt.handshakeMs)),
  }))
}

/** By server, those with the most connections first. */
function serverRows(connections: readonly ModelConnection[], modelled: readonly ModelledConnection[]): ServerRow[] {
  const groups = new Map<string, number[]>()
  for (const [index, {server}] of connections.entries()) {
    const group = groups.get(server)
    if (group) group.push(index)
    else groups.set(server, [index])
  }

  return [...groups]
    .map(([server, indices]) => {
      const own = indices.map((index) => modelled[index])
      const savings = meanSavings(own)
      const breakEven: BreakEven = breakEvenOf(savings)
      return {
        server,
        connections: indices.length,
        rttMs: distributionOf(indices.map((index) => connections[index].rttMs))!,
        handshakeSavedMs: savings.map(({replicationAckMs, savedMs}) => ({replicationAckMs, mean: round(savedMs)})),
        breakEvenReplicationAckMs: breakEven.atMs,
        breakEven: breakEven.verdict,
      }
    })
    .sort((a, b) => b.connections - a.connections)
}

function mean(values: readonly number[]): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}
