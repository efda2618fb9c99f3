import type {ReplayConnection} from '../../../src/lib/replay/connection.js'

/** A connection of a request and a response as the analysis would find it, but for what is given. */
export function capturedConnection(changes: Partial<ReplayConnection> = {}): ReplayConnection {
  return {
    id: 1,
    client: '198.51.100.7:40000',
    server: '192.0.2.1:80',
    source: 0,
    startMs: 0,
    endMs: 250,
    handshakeRttMs: 80,
    refused: false,
    serverRttMs: 79.9,
    clientRttMs: 0.1,
    synRetransmissions: 0,
    synAckRetransmissions: 0,
    completeness: ['syn', 'syn-ack', 'ack', 'data', 'fin'],
    requestToFirstByteMs: 85,
    vantage: 'near-client',
    vantageBecause: '79.9 of 80 ms lie between SYN and SYN/ACK',
    synOptions: {mss: 1460, windowScale: 7, sackPermitted: true, timestamps: true, fastOpen: false},
    synAckOptions: {mss: 1460, windowScale: 7, sackPermitted: true, timestamps: true, fastOpen: false},
    fromClient: {segments: 5, payloadBytes: 300, streamBytes: 300},
    fromServer: {segments: 6, payloadBytes: 5000, streamBytes: 5000},
    turns: [
      {from: 'client', bytes: 300, startMs: 81, gapMs: 1, thinkMs: 1, durationMs: 0},
      {from: 'server', bytes: 5000, startMs: 166, gapMs: 85, thinkMs: 5.1, durationMs: 2},
    ],
    turnsMerged: false,
    ...changes,
  }
}
