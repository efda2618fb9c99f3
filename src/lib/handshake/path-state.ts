import type {BpfMap} from '../kernel/bpf-map.js'
import {addressBytes, type Endpoint, formatAddress} from '../wire/endpoint.js'
import {judgeOpenings, type Judgement} from './path-verdict.js'

/** What an edge knows of the path to one gateway. RTT: from the SYN that left to the real SYN/ACK that arrived. */
export interface PathState extends Endpoint {
  /** Whether the path is fit for zero-RTT, by the counts below; null before the first opening has ended. */
  verdict: Judgement['verdict'] | null
  /** Openings in zero RTT: SYNs that left with a suggested number. */
  syns: number
  /** Answered by the real SYN/ACK. */
  confirmed: number
  /** SYN or SYN/ACK was lost, and something later answered. */
  confirmedByData: number
  /** The gateway answered with a number of its own: without the program, or with another key or clock. */
  mismatches: number
  /** The gateway answered with RST. */
  refused: number
  /** SYNs that left ordinary because of a mismatch or refusal less than ten seconds before. */
  fallbacks: number
  /** Neither of these yet: under way or lost. */
  unanswered: number
  /** True while the next SYN would be ordinary. */
  ordinary: boolean
  rttMs: {last: number; min: number; smoothed: number} | null
  /** The gateway's MSS in bytes, from its last SYN/ACK. */
  mss: null | number
}

/** Key of the maps gateways and paths: struct gateway_key in bpf/edge-sockops.h. */
export function gatewayKey({address, port}: Endpoint): Buffer {
  const key = Buffer.alloc(20)
  addressBytes(address).copy(key, 0)
  key.writeUInt16BE(port, 16)
  return key
}

export function decodeGatewayKey(key: Buffer): Endpoint {
  return {address: formatAddress(key.subarray(0, 16)), port: key.readUInt16BE(16)}
}

/** struct path of bpf/handshake-edge.bpf.c. @param nowNs CLOCK_MONOTONIC in nanoseconds */
export function decodePath(key: Buffer, value: Buffer, nowNs: bigint): PathState {
  const u64 = (index: number) => value.readBigUInt64LE(index * 8)
  const [syns, confirmed, confirmedByData, mismatches, refused, fallbacks] = [0, 1, 2, 3, 4, 5].map((index) =>
    Number(u64(index)),
  )
  const ms = (index: number) => Number(u64(index)) / 1e6
  const mss = value.readUInt32LE(80)
  // What is unanswered may be under way: it decides nothing here.
  const ended = {
    syns: confirmed + confirmedByData + mismatches + refused,
    confirmed,
    confirmedByData,
    mismatches,
    refused,
  }
  return {
    ...decodeGatewayKey(key),
    verdict: judgeOpenings(ended, true)?.verdict ?? null,
    syns,
    confirmed,
    confirmedByData,
    mismatches,
    refused,
    fallbacks,
    unanswered: Math.max(0, syns - confirmed - confirmedByData - mismatches - refused),
    ordinary: u64(6) > nowNs,
    rttMs: u64(7) === 0n ? null : {last: ms(7), min: ms(8), smoothed: ms(9)},
    mss: mss === 0 ? null : mss,
  }
}

/** All paths of an edge, by gateway address. @param paths the map `paths` */
export function readPaths(paths: BpfMap): PathState[] {
  const now = process.hrtime.bigint()
  const states: PathState[] = []
  for (const key of paths.keys()) {
    const value = paths.lookup(key)
    if (value) states.push(decodePath(key, value, now))
  }

  return states.sort((a, b) => a.address.localeCompare(b.address) || a.port - b.port)
}

/** The RTT that a gateway has learned of one edge. */
export interface EdgeRtt {
  address: string
  rttMs: number
  samples: number
}

/** All edges that a gateway has heard. @param edges the map `edges` */
export function readEdgeRtts(edges: BpfMap): EdgeRtt[] {
  const result: EdgeRtt[] = []
  for (const key of edges.keys()) {
    const value = edges.lookup(key)
    if (value) {
      result.push({
        address: formatAddress(key),
        rttMs: value.readUInt32LE(0) / 1000,
        samples: value.readUInt32LE(4),
      })
    }
  }

  return result.sort((a, b) => a.address.localeCompare(b.address))
}
