import {TcpFlag} from '../wire/tcp-segment.js'
import type {CraftedSegment} from '../wire/tcp-packet.js'
import {GATEWAY_SYN_WINDOW, GATEWAY_WINDOW_SCALE} from './constants.js'

/** MSS that a gateway not heard before is taken to have, bytes (docs/PROTOCOL.md 1.5). */
const ASSUMED_MSS = {ipv4: 1460, ipv6: 1440}

/**
 * The dummy SYN/ACK that answers a zero-RTT SYN on the edge's own host: what bpf/handshake-edge.bpf.c makes of it.
 *
 * @param syn with timestamps: its ACK field the suggested number, its TSecr the dummy's TSval
 * @param gatewayMss bytes, of the gateway's last real SYN/ACK; null when it was not heard
 */
export function dummySynAck(syn: CraftedSegment, gatewayMss: number | null): CraftedSegment {
  const own = syn.options?.maximumSegmentSize ?? 0
  const assumed = Math.min(own, syn.source.address.includes(':') ? ASSUMED_MSS.ipv6 : ASSUMED_MSS.ipv4)
  return {
    source: syn.destination,
    destination: syn.source,
    sequence: syn.acknowledgment,
    acknowledgment: (syn.sequence + 1) >>> 0,
    flags: TcpFlag.SYN | TcpFlag.ACK,
    window: GATEWAY_SYN_WINDOW,
    options: {
      maximumSegmentSize: gatewayMss ?? assumed,
      sackPermitted: true,
      timestamps: {value: syn.options?.timestamps?.echo ?? 0, echo: syn.options?.timestamps?.value ?? 0},
      windowScale: GATEWAY_WINDOW_SCALE,
    },
  }
}
