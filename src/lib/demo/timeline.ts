import type {PcapPacket} from '../capture/pcap-reader.js'
import {TcpFlag, decodeEthernet, type TcpSegment} from '../wire/tcp-segment.js'
import type {TimelineEvent} from './schema.js'

export interface Timeline {
  /** What the SYN carried in its ACK field with the ACK flag clear; null for an ordinary SYN. */
  suggestedNumber: number | null
  events: TimelineEvent[]
}

interface Seen {
  timeNs: bigint
  segment: TcpSegment
}

/**
 * Picks out of a capture at the edge how one connection of the middle leg was opened.
 *
 * @param gatewayPort tells the direction of a segment
 * @param marker bytes that only this connection's payload holds; health checks run beside it
 * @returns null when no connection from its SYN on holds the marker
 */
export function openingTimeline(packets: Iterable<PcapPacket>, gatewayPort: number, marker: string): Timeline | null {
  const seen: Seen[] = []
  for (const {timeNs, data} of packets) {
    const segment = decodeEthernet(data)
    if (segment) seen.push({timeNs, segment})
  }

  const edgePort = seen.find(
    ({segment}) => segment.destinationPort === gatewayPort && Buffer.from(segment.payload).includes(marker),
  )?.segment.sourcePort
  if (edgePort === undefined) return null
  const flow = seen.filter(({segment}) => [segment.sourcePort, segment.destinationPort].includes(edgePort))
  const toGateway = flow.filter(({segment}) => segment.destinationPort === gatewayPort)
  const toEdge = flow.filter(({segment}) => segment.sourcePort === gatewayPort)

  const syn = toGateway.find(({segment}) => flagsAre(segment, TcpFlag.SYN))
  if (!syn) return null
  const suggestedNumber = syn.segment.acknowledgment === 0 ? null : syn.segment.acknowledgment
  const synAcks = toEdge.filter(({segment}) => flagsAre(segment, TcpFlag.SYN | TcpFlag.ACK))
  // The edge hands the dummy to itself before the real one can come back; ordinary openings have only the real one.
  const dummy = suggestedNumber === null ? undefined : synAcks[0]
  const real = suggestedNumber === null ? synAcks[0] : synAcks[1]
  const picked: [TimelineEvent['event'], Seen | undefined][] = [
    ['syn', syn],
    ['dummy-syn-ack', dummy],
    ['first-data-to-gateway', toGateway.find(({segment}) => segment.payloadLength > 0)],
    ['real-syn-ack', real],
    ['first-data-to-edge', toEdge.find(({segment}) => segment.payloadLength > 0)],
  ]
  const events = picked.flatMap(([event, packet]) => describe(event, packet, syn.timeNs))
  return {suggestedNumber, events: events.sort((a, b) => a.atMs - b.atMs)}
}

function describe(event: TimelineEvent['event'], packet: Seen | undefined, startNs: bigint): TimelineEvent[] {
  if (!packet) return []
  const {sequence, acknowledgment, payloadLength} = packet.segment
  const atMs = Number((packet.timeNs - startNs) / 1000n) / 1000
  return [{atMs, event, sequence, acknowledgment, payloadBytes: payloadLength}]
}

function flagsAre(segment: TcpSegment, flags: number): boolean {
  return (segment.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST | TcpFlag.FIN)) === flags
}
