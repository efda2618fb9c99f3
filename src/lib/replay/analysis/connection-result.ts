import type {CompletenessPart, DirectionTotals, ReplayConnection, Turn} from '../connection.js'
import type {StreamStore} from './stream-store.js'
import {Seen, type Direction, type TrackedConnection} from './tracked-connection.js'
import {vantageOf} from './vantage.js'

const PARTS: [bit: number, part: CompletenessPart][] = [
  [Seen.SYN, 'syn'],
  [Seen.SYN_ACK, 'syn-ack'],
  [Seen.ACK, 'ack'],
  [Seen.DATA, 'data'],
  [Seen.FIN, 'fin'],
  [Seen.RST, 'rst'],
]

/** What a flow's key says: `ip:port` of its lower and its higher endpoint. */
export type FlowEndpoints = readonly [string, string]

/**
 * What has become of a connection, in the words of the contract.
 *
 * @param startMs its first packet, since the capture's first
 * @param streams payloads by direction, where they were kept
 */
export function connectionResult(
  tracked: TrackedConnection,
  id: number,
  startMs: number,
  endpoints: FlowEndpoints,
  streams?: readonly [StreamStore, StreamStore],
): ReplayConnection {
  const client = tracked.client === -1 ? guessClient(endpoints) : tracked.client
  const server = client === 0 ? 1 : 0
  const fromClient = tracked.directions[client]
  const fromServer = tracked.directions[server]
  const serverRttMs = known(tracked.serverRttMs)
  const clientRttMs = known(tracked.clientRttMs)
  const {vantage, because} = vantageOf(serverRttMs, clientRttMs)
  const turns = turnsOf(tracked, startMs, client, serverRttMs ?? 0, clientRttMs ?? 0)
  const result: ReplayConnection = {
    id,
    client: endpoints[client],
    server: endpoints[server],
    source: tracked.source,
    startMs: nanosecond(startMs),
    endMs: nanosecond(startMs + tracked.endMs),
    handshakeRttMs: known(tracked.handshakeRttMs),
    refused: tracked.refused,
    serverRttMs,
    clientRttMs,
    synRetransmissions: Math.max(0, fromClient.syns - 1),
    synAckRetransmissions: Math.max(0, fromServer.synAcks - 1),
    completeness: PARTS.filter(([bit]) => (tracked.seen & bit) !== 0).map(([, part]) => part),
    requestToFirstByteMs: requestToFirstByte(turns),
    vantage,
    vantageBecause: because,
    synOptions: fromClient.options,
    synAckOptions: fromServer.options,
    fromClient: totals(fromClient),
    fromServer: totals(fromServer),
    turns,
    turnsMerged: tracked.turnsMerged,
  }
  if ((tracked.seen & Seen.SYN) === 0) {
    result.excluded = (tracked.seen & Seen.SYN_ACK) === 0 ? 'mid-stream' : 'syn-not-captured'
  }

  if (streams) result.payloads = {fromClient: streams[client].result(), fromServer: streams[server].result()}

  return result
}

function turnsOf(
  tracked: TrackedConnection,
  startMs: number,
  client: 0 | 1,
  serverRttMs: number,
  clientRttMs: number,
): Turn[] {
  const turns: Turn[] = []
  let since = Number.isNaN(tracked.ackMs) ? 0 : tracked.ackMs
  for (let at = 0; at < tracked.turns.length; at += 3) {
    const [bytes, first, last] = tracked.turns.slice(at, at + 3)
    const isClient = bytes < 0 === (client === 1)
    const gapMs = Math.max(0, first - since)
    // The client's first turn follows its own ACK: there is no way between them.
    const way = isClient ? (at === 0 ? 0 : clientRttMs) : serverRttMs
    turns.push({
      from: isClient ? 'client' : 'server',
      bytes: Math.abs(bytes),
      startMs: nanosecond(startMs + first),
      gapMs: nanosecond(gapMs),
      thinkMs: nanosecond(Math.max(0, gapMs - way)),
      durationMs: nanosecond(last - first),
    })
    since = last
  }

  return turns
}

function requestToFirstByte(turns: readonly Turn[]): number | null {
  const request = turns.findIndex(({from}) => from === 'client')
  if (request === -1 || request + 1 >= turns.length) return null
  return turns[request + 1].gapMs
}

/** Servers have the lower port, mostly. */
function guessClient([lower, higher]: FlowEndpoints): 0 | 1 {
  return portOf(lower) > portOf(higher) ? 0 : 1
}

function portOf(endpoint: string): number {
  return Number(endpoint.slice(endpoint.lastIndexOf(':') + 1))
}

function totals({segments, payloadBytes, streamBytes}: Direction): DirectionTotals {
  return {segments, payloadBytes, streamBytes}
}

function known(ms: number): number | null {
  return Number.isNaN(ms) ? null : nanosecond(ms)
}

/** Without what binary fractions add beyond the nanosecond. */
function nanosecond(ms: number): number {
  return Math.round(ms * 1e6) / 1e6
}
