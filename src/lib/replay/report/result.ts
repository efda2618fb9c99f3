import {percentiles} from '../../bench/percentiles.js'
import {MadeList} from '../../cli/made-list.js'
import type {Analysis, ReplayConnection} from '../connection.js'
import type {LiveResult} from '../live/schema.js'
import {runModel} from '../model/model.js'
import {modelConnections} from '../model/model-connections.js'
import type {ModelParameters} from '../model/parameters.js'
import type {ReplayResult, ReportedConnection} from './schema.js'

/** What `overlay replay` says of a capture. @param live null without `--live` */
export function replayResult(analysis: Analysis, parameters: ModelParameters, live: LiveResult | null): ReplayResult {
  const {connections, sources, problems, packets, bytes, tcpPackets, startNs, scratch} = analysis
  const {modelled, columns, leftOut, handshakeRttMs} = modelConnections(connections, parameters, scratch)
  return {
    sources,
    connections: new MadeList(connections.length, (index) => reported(connections.at(index)!)),
    summary: {
      connections: connections.length,
      handshakes: handshakeRttMs.length,
      handshakeRttMs: percentiles(handshakeRttMs.values()),
      packets,
      bytes,
      tcpPackets,
      start: startNs === null ? null : isoTime(startNs),
    },
    ...runModel(modelled, parameters, columns),
    leftOut,
    ...(live && {live}),
    problems,
  }
}

function reported(connection: ReplayConnection): ReportedConnection {
  const {fromClient, fromServer, turns, excluded} = connection
  return {
    id: connection.id,
    source: connection.source,
    client: connection.client,
    server: connection.server,
    startMs: connection.startMs,
    endMs: connection.endMs,
    handshakeRttMs: connection.handshakeRttMs,
    refused: connection.refused,
    serverRttMs: connection.serverRttMs,
    clientRttMs: connection.clientRttMs,
    synRetransmissions: connection.synRetransmissions,
    synAckRetransmissions: connection.synAckRetransmissions,
    completeness: connection.completeness,
    requestToFirstByteMs: connection.requestToFirstByteMs,
    vantage: connection.vantage,
    vantageBecause: connection.vantageBecause,
    bytesFromClient: fromClient.streamBytes,
    bytesFromServer: fromServer.streamBytes,
    turns: turns.length,
    ...(excluded && {excluded}),
  }
}

/** ISO 8601 with nanoseconds. @param ns since 1970, UTC; also before it */
function isoTime(ns: bigint): string {
  const below = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  const seconds = Number((ns - below) / 1_000_000_000n)
  return new Date(seconds * 1000).toISOString().replace('.000Z', `.${below.toString().padStart(9, '0')}Z`)
}
