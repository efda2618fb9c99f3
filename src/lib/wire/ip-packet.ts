import {formatAddress} from './endpoint.js'

/** What an IP header says, of either version. Numbers are unsigned, in host order. */
export interface IpPacket {
  version: 4 | 6
  /** Text as RFC 5952 has it, or dotted. */
  source: string
  destination: string
  /** TTL or hop limit, 0 to 255. */
  hopLimit: number
  /** TOS or traffic class: DSCP in the upper six bits, ECN in the lower two. */
  trafficClass: number
  /** IPv4's identification; 0 for IPv6. */
  identification: number
  /** IPv4's DF; true for IPv6, whose routers do not fragment. */
  dontFragment: boolean
  /** In bytes; above 0 the payload does not begin with the upper header. */
  fragmentOffset: number
  /** The upper protocol, behind IPv6 extension headers (IANA protocol numbers). */
  protocol: number
  /** Bytes of header, with IPv4 options or IPv6 extension headers. */
  headerLength: number
  /** Bytes of payload by the header, also where a capture has cut them off. */
  payloadLength: number
  /** Of the payload what is there, without the frame's padding. */
  payload: Uint8Array
}

/** IPv6 extension headers of type, length, data: hop-by-hop, routing, destination options (RFC 8200 section 4). */
const EXTENSIONS = new Set([0, 43, 60])
const FRAGMENT = 44
/** Counts its length in words of 4 bytes, less 2 (RFC 4302 section 2.2). */
const AUTHENTICATION = 51

/**
 * Reads an IPv4 or IPv6 header. Null for another version, and for what contradicts itself or is cut off before the end of
 * its headers; never throws.
 */
export function decodeIpPacket(packet: Uint8Array): IpPacket | null {
  if (packet.length === 0) return null
  const version = packet[0] >> 4
  if (version === 4) return decodeIPv4(packet)
  return version === 6 ? decodeIPv6(packet) : null
}

function decodeIPv4(packet: Uint8Array): IpPacket | null {
  if (packet.length < 20) return null
  const headerLength = (packet[0] & 15) * 4
  const total = read16(packet, 2)
  if (headerLength < 20 || total < headerLength || packet.length < headerLength) return null
  const fragment = read16(packet, 6)
  return {
    version: 4,
    source: packet.subarray(12, 16).join('.'),
    destination: packet.subarray(16, 20).join('.'),
    hopLimit: packet[8],
    trafficClass: packet[1],
    identification: read16(packet, 4),
    dontFragment: (fragment & 0x4000) !== 0,
    fragmentOffset: (fragment & 0x1fff) * 8,
    protocol: packet[9],
    headerLength,
    payloadLength: total - headerLength,
    payload: packet.subarray(headerLength, total),
  }
}

function decodeIPv6(packet: Uint8Array): IpPacket | null {
  if (packet.length < 40) return null
  const end = 40 + read16(packet, 4)
  let protocol = packet[6]
  let fragmentOffset = 0
  let at = 40
  while (EXTENSIONS.has(protocol) || protocol === FRAGMENT || protocol === AUTHENTICATION) {
    if (at + 8 > end || at + 8 > packet.length) return null
    const next = packet[at]
    if (protocol === FRAGMENT) {
      fragmentOffset = read16(packet, at + 2) & 0xfff8
      at += 8
    } else if (protocol === AUTHENTICATION) at += (packet[at + 1] + 2) * 4
    else at += (packet[at + 1] + 1) * 8
    protocol = next
    // What follows is a middle of something, not another header.
    if (fragmentOffset > 0) break
  }

  if (at > end || at > packet.length) return null
  return {
    version: 6,
    source: formatAddress(packet.subarray(8, 24)),
    destination: formatAddress(packet.subarray(24, 40)),
    hopLimit: packet[7],
    trafficClass: (read16(packet, 0) >> 4) & 0xff,
    identification: 0,
    dontFragment: true,
    fragmentOffset,
    protocol,
    headerLength: at,
    payloadLength: end - at,
    payload: packet.subarray(at, end),
  }
}

const read16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1]
