import {addressBytes, type Endpoint} from './endpoint.js'
import {addToSum, finishSum, pseudoHeaderSum} from './internet-checksum.js'

const PROTOCOL_TCP = 6
const HOP_LIMIT = 64
const TCP_HEADER_BYTES = 20
const DONT_FRAGMENT = 0x4000

/** A TCP segment without options and payload. Numbers are unsigned, in host order. */
export interface BareSegment {
  source: Endpoint
  /** Of the same family as `source`. */
  destination: Endpoint
  sequence: number
  acknowledgment: number
  /** Bits of TcpFlag. */
  flags: number
  /** As sent, not scaled; at most 65535. */
  window: number
}

/** The IP packet of a segment, IPv4 or IPv6, with all checksums. */
export function encodeIp(segment: BareSegment): Buffer {
  const ipv6 = segment.source.address.includes(':')
  const source = addressBytes(segment.source.address).subarray(ipv6 ? 0 : 12)
  const destination = addressBytes(segment.destination.address).subarray(ipv6 ? 0 : 12)
  const ip = ipv6 ? ipv6Header(source, destination) : ipv4Header(source, destination)
  const tcp = Buffer.alloc(TCP_HEADER_BYTES)
  tcp.writeUInt16BE(segment.source.port, 0)
  tcp.writeUInt16BE(segment.destination.port, 2)
  tcp.writeUInt32BE(segment.sequence, 4)
  tcp.writeUInt32BE(segment.acknowledgment, 8)
  tcp[12] = (TCP_HEADER_BYTES / 4) << 4
  tcp[13] = segment.flags
  tcp.writeUInt16BE(segment.window, 14)
  const pseudo = pseudoHeaderSum(source, destination, PROTOCOL_TCP, TCP_HEADER_BYTES)
  tcp.writeUInt16BE(finishSum(addToSum(pseudo, tcp)), 16)
  return Buffer.concat([ip, tcp])
}

function ipv4Header(source: Uint8Array, destination: Uint8Array): Buffer {
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(header.length + TCP_HEADER_BYTES, 2)
  header.writeUInt16BE(DONT_FRAGMENT, 6)
  header[8] = HOP_LIMIT
  header[9] = PROTOCOL_TCP
  header.set(source, 12)
  header.set(destination, 16)
  header.writeUInt16BE(finishSum(addToSum(0, header)), 10)
  return header
}

function ipv6Header(source: Uint8Array, destination: Uint8Array): Buffer {
  const header = Buffer.alloc(40)
  header[0] = 0x60
  header.writeUInt16BE(TCP_HEADER_BYTES, 4)
  header[6] = PROTOCOL_TCP
  header[7] = HOP_LIMIT
  header.set(source, 8)
  header.set(destination, 24)
  return header
}
