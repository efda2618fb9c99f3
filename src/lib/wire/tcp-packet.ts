import {addressBytes, type Endpoint} from './endpoint.js'
import {addToSum, finishSum, pseudoHeaderSum} from './internet-checksum.js'
import {encodeOptions} from './tcp-options.js'
import type {TcpOptions} from './tcp-segment.js'

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

/** A segment with all that a probe chooses of it and of its IP header. */
export interface CraftedSegment extends BareSegment {
  options?: TcpOptions
  payload?: Uint8Array
  /** TTL or hop limit; 64 when not given. */
  hopLimit?: number
  /** TOS or traffic class; 0 when not given. */
  trafficClass?: number
  /** IPv4 only; 0 when not given, for which the kernel puts one of its own where a raw socket sends it. */
  identification?: number
}

/**
 * The IP packet of a segment, IPv4 (DF set) or IPv6, with all checksums.
 *
 * @throws RangeError when options or payload do not fit
 */
export function encodeIp(segment: CraftedSegment): Buffer {
  const {source: from, destination: to, options, payload = new Uint8Array()} = segment
  const ipv6 = from.address.includes(':')
  const source = addressBytes(from.address).subarray(ipv6 ? 0 : 12)
  const destination = addressBytes(to.address).subarray(ipv6 ? 0 : 12)
  const tcp = Buffer.alloc(TCP_HEADER_BYTES)
  const optionBytes = options ? encodeOptions(options) : Buffer.alloc(0)
  tcp.writeUInt16BE(from.port, 0)
  tcp.writeUInt16BE(to.port, 2)
  tcp.writeUInt32BE(segment.sequence, 4)
  tcp.writeUInt32BE(segment.acknowledgment, 8)
  tcp[12] = ((TCP_HEADER_BYTES + optionBytes.length) / 4) << 4
  tcp[13] = segment.flags
  tcp.writeUInt16BE(segment.window, 14)
  const bytes = Buffer.concat([tcp, optionBytes, payload])
  const pseudo = pseudoHeaderSum(source, destination, PROTOCOL_TCP, bytes.length)
  bytes.writeUInt16BE(finishSum(addToSum(pseudo, bytes)), 16)
  const header = ipv6 ? ipv6Header(segment, bytes.length) : ipv4Header(segment, bytes.length)
  header.set(source, ipv6 ? 8 : 12)
  header.set(destination, ipv6 ? 24 : 16)
  if (!ipv6) header.writeUInt16BE(finishSum(addToSum(0, header)), 10)
  return Buffer.concat([header, bytes])
}

/** Without addresses and checksum. */
function ipv4Header(segment: CraftedSegment, payloadLength: number): Buffer {
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header[1] = segment.trafficClass ?? 0
  header.writeUInt16BE(header.length + payloadLength, 2)
  header.writeUInt16BE(segment.identification ?? 0, 4)
  header.writeUInt16BE(DONT_FRAGMENT, 6)
  header[8] = segment.hopLimit ?? HOP_LIMIT
  header[9] = PROTOCOL_TCP
  return header
}

/** Without addresses. */
function ipv6Header(segment: CraftedSegment, payloadLength: number): Buffer {
  const header = Buffer.alloc(40)
  header.writeUInt16BE(0x6000 | ((segment.trafficClass ?? 0) << 4), 0)
  header.writeUInt16BE(payloadLength, 4)
  header[6] = PROTOCOL_TCP
  header[7] = segment.hopLimit ?? HOP_LIMIT
  return header
}
