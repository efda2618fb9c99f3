import type {Analysis} from '../../../src/lib/replay/connection.js'
import {capturedConnection} from './captured-connection.js'

/** What the analysis would say of a capture of 60 connections to three servers. @param source name of the file */
export function exampleAnalysis(source = 'example.pcap'): Analysis {
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
  }
}
