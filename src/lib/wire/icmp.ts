import {decodeIpPacket, type IpPacket} from './ip-packet.js'
import {decodeOptions, type TcpOptions} from './tcp-segment.js'

const PROTOCOL_ICMP = 1
const PROTOCOL_ICMPV6 = 58
const PROTOCOL_TCP = 6
const HEADER_BYTES = 8

/** What an ICMP error says of the packet it quotes. */
export type IcmpProblem =
  /** Time exceeded: the hop limit ended here. */
  | 'hop-limit'
  /** A router or host has no way to the address, or nobody answers there. */
  | 'unreachable'
  /** Something on the way, or the host's own filter, refuses the packet and says so. */
  | 'filtered'
  /** Larger than the next link takes. */
  | 'too-big'
  | 'other'

/** A TCP packet as an ICMP error quotes it: as it arrived where the error was made. */
export interface QuotedSegment {
  /** Of the quoted packet, whose payload is cut. */
  ip: IpPacket
  sourcePort: number
  destinationPort: number
  sequence: number
  /** What follows is null where the quote ends before it; a router may quote 8 bytes of TCP only (RFC 792). */
  acknowledgment: number | null
  flags: number | null
  window: number | null
  options: TcpOptions | null
}

export interface IcmpError {
  problem: IcmpProblem
  type: number
  code: number
  /** Bytes that the next link takes, of `too-big`; null when it is not said. */
  mtu: number | null
  quoted: QuotedSegment
}

/**
 * Reads an ICMP or ICMPv6 error about a TCP packet from the IP packet that carries it. Null for anything else; never
 * throws.
 */
export function decodeIcmpError(ip: IpPacket): IcmpError | null {
  const ipv6 = ip.protocol === PROTOCOL_ICMPV6 && ip.version === 6
  if ((!ipv6 && (ip.protocol !== PROTOCOL_ICMP || ip.version !== 4)) || ip.fragmentOffset !== 0) return null
  return decodeIcmpMessage(ip.payload, ipv6)
}

/** The same from the ICMP message alone, as a raw ICMPv6 socket hands it over. */
export function decodeIcmpMessage(bytes: Uint8Array, ipv6: boolean): IcmpError | null {
  if (bytes.length < HEADER_BYTES) return null
  const [type, code] = bytes
  const problem = ipv6 ? icmpv6Problem(type, code) : icmpv4Problem(type, code)
  if (!problem) return null
  const quoted = decodeQuote(bytes.subarray(HEADER_BYTES))
  if (!quoted) return null
  const mtu = ipv6 ? read32(bytes, 4) : read16(bytes, 6)
  return {problem, type, code, mtu: problem === 'too-big' && mtu > 0 ? mtu : null, quoted}
}

/** RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1. Null for what is no error. */
function icmpv4Problem(type: number, code: number): IcmpProblem | null {
  if (type === 11) return code === 0 ? 'hop-limit' : 'other'
  if (type === 12) return 'other'
  if (type !== 3) return null
  if (code === 4) return 'too-big'
  // protocol and port unreachable: nothing but a filter says so of TCP; 9, 10 and 13: prohibited
  return [2, 3, 9, 10, 13].includes(code) ? 'filtered' : 'unreachable'
}

/** RFC 4443 section 3. Null for what is no error. */
function icmpv6Problem(type: number, code: number): IcmpProblem | null {
  if (type === 1) return [1, 4, 5, 6].includes(code) ? 'filtered' : 'unreachable'
  if (type === 2) return 'too-big'
  if (type === 3) return code === 0 ? 'hop-limit' : 'other'
  return type === 4 ? 'other' : null
}

function decodeQuote(bytes: Uint8Array): QuotedSegment | null {
  const ip = decodeIpPacket(bytes)
  if (!ip || ip.protocol !== PROTOCOL_TCP || ip.fragmentOffset !== 0 || ip.payload.length < 8) return null
  const tcp = ip.payload
  const header = tcp.length > 12 ? (tcp[12] >> 4) * 4 : 0
  const whole = header >= 20 && tcp.length >= header
  return {
    ip,
    sourcePort: read16(tcp, 0),
    destinationPort: read16(tcp, 2),
    sequence: read32(tcp, 4),
    acknowledgment: tcp.length >= 12 ? read32(tcp, 8) : null,
    flags: tcp.length >= 14 ? tcp[13] : null,
    window: tcp.length >= 16 ? read16(tcp, 14) : null,
    options: whole ? decodeOptions(tcp.subarray(20, header)) : null,
  }
}

const read16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1]
const read32 = (bytes: Uint8Array, at: number): number => ((read16(bytes, at) << 16) | read16(bytes, at + 2)) >>> 0
