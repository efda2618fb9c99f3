import type {Analysis, ReplayConnection} from '../../../src/lib/replay/connection.js'
import {compareRows, explain, type PathSamples, type Times} from '../../../src/lib/replay/live/compare.js'
import type {LiveResult} from '../../../src/lib/replay/live/schema.js'
import {ScratchSpace} from '../../../src/lib/replay/spill/scratch-space.js'
import {capturedConnection} from './captured-connection.js'

/** What the analysis would say of a capture of 60 connections to three servers. @param source name of the file */
export function exampleAnalysis(source = 'example.pcap'): Analysis & {connections: ReplayConnection[]} {
  const servers = ['192.0.2.1:80', '192.0.2.2:443', '[2001:db8:85a3:1234:5678:8a2e:370:7334]:443']
  const connections = Array.from({length: 60}, (_, index) => {
    const rtt = 12 + ((index * 37) % 90) + (index % 7) / 10
    return capturedConnection({
      id: index + 1,
      client: `198.51.100.${1 + (index % 40)}:${40_000 + index}`,
      server: servers[index % 3],
      startMs: index * 10,
      handshakeRttMs: rtt,
      serverRttMs: rtt - 0.1,
      clientRttMs: 0.1,
    })
  })
  connections.push(capturedConnection({id: 61, excluded: 'mid-stream', handshakeRttMs: null, clientRttMs: null}))
  return {
    connections,
    packets: 700,
    bytes: 500_000,
    tcpPackets: 690,
    startNs: 1_795_504_000_123_456_789n,
    sources: [
      {
        source,
        format: 'pcap',
        linkTypes: ['ETHERNET'],
        packets: 700,
        bytes: 500_000,
        tcpPackets: 690,
        skipped: {UDP: 10},
      },
    ],
    problems: [],
    scratch: new ScratchSpace(),
  }
}

const times = (handshakeMs: number): Times => ({
  connectMs: 10,
  handshakeMs,
  firstByteMs: handshakeMs + 40,
  completedMs: null,
})

const played = (path: PathSamples['path'], ackMs: number | null, modelled: number, late: number): PathSamples => ({
  path,
  replicationAckMs: ackMs,
  atRest: [times(late)],
  samples: Array.from({length: 20}, (_, index) => ({
    connection: index + 1,
    measured: times(modelled + late + index / 100),
    modelled: times(modelled),
  })),
  errors: [],
})

/**
 * What playing 20 connections of it live would have come to: over the pair at the last latency one failed.
 *
 * @param latencies of the pair's replication link, ms
 * @param error of the one that failed
 */
export function exampleLive(latencies: readonly number[], error: string): LiveResult {
  const all = [
    played('direct', null, 80, 0.3),
    played('split', null, 80, 0.9),
    played('zero-rtt', null, 10, 0.8),
    ...latencies.map((ms) => played('zero-rtt', ms, 10 + ms, 1.1)),
  ]
  const last = all.at(-1)!
  last.samples.pop()
  last.errors.push(error)
  return {
    connections: 20,
    leftOut: [{reason: 'too many bytes', connections: 3}],
    bytes: 106_000,
    fillerBytes: 90_000,
    repeats: 5,
    speedUp: 1,
    concurrency: 1,
    labRttMs: [12.1, 40.25, 101.6],
    congestionControl: 'reno',
    rows: compareRows(all),
    explained: explain(all),
    complete: true,
    agrees: true,
  }
}

/** What `--json` prints of it. */
export function asJson(value: object): unknown {
  const text = JSON.stringify(value)
  return JSON.parse(text) as unknown
}
