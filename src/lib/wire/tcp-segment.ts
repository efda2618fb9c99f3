import {formatAddress} from './endpoint.js'

/** Bits of the TCP flags byte (RFC 9293 section 3.1). */
export const TcpFlag = {
  FIN: 0x01,
  SYN: 0x02,
  RST: 0x04,
  PSH: 0x08,
  ACK: 0x10,
  URG: 0x20,
  ECE: 0x40,
  CWR: 0x80,
} as const

export interface TcpOptions {
  /** Bytes (kind 2). */
  maximumSegmentSize?: number
  /** A shift of 0 to 255 as sent; receivers cap it at 14 (kind 3, RFC 7323 section 2.2). */
  windowScale?: number
  /** Kind 4. */
  sackPermitted?: boolean
  /** Left and right edges (kind 5, RFC 2018 section 3). */
  sackBlocks?: [left: number, right: number][]
  /** TSval and TSecr (kind 8). */
  timestamps?: {value: number; echo: number}
  /** The cookie, empty in a request for one (kind 34, RFC 7413). */
  fastOpenCookie?: Uint8Array
}

/** A TCP segment with the addresses of its IP packet. Numbers are unsigned, in host order. */
export interface TcpSegment {
  /** Text as RFC 5952 has it, or dotted. */
  source: string
  destination: string
  sourcePort: number
  destinationPort: number
  /** 32 bits. */
  sequence: number
  /** 32 bits; also of segments without the ACK flag, where the suggested number travels. */
  acknowledgment: number
  /** Bits of {@link TcpFlag}. */
  flags: number
  /** As sent, not scaled. */
  window: number
  options: TcpOptions
  /** Bytes of payload by the IP header, also where a capture has cut them off. */
  payloadLength: number
  /** Of the payload what is there. */
  payload: Uint8Array
}

const ETHERNET_BYTES = 14
const VLAN_TAG_BYTES = 4
const ETHERTYPE_IPV4 = 0x0800
const ETHERTYPE_IPV6 = 0x86dd
const ETHERTYPES_VLAN = new Set([0x8100, 0x88a8])
const PROTOCOL_TCP = 6
/** IPv6 extension headers of type, length, data: hop-by-hop, routing, destination options. */
const IPV6_EXTENSIONS = new Set([0, 43, 60])
const IPV6_FRAGMENT = 44

/**
 * Reads a TCP segment from an Ethernet frame, with up to two VLAN tags. Null for what is not TCP, is a later fragment,
 * contradicts itself or is cut off before the end of the TCP header; never throws.
 */
export function decodeEthernet(frame: Uint8Array): TcpSegment | null {
  let at = ETHERNET_BYTES
  for (let tags = 0; tags <= 2; tags++) {
    if (frame.length < at) return null
    const type = read16(frame, at - 2)
    if (type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6) return decodeIp(frame.subarray(at))
    if (!ETHERTYPES_VLAN.has(type)) return null
    at += VLAN_TAG_BYTES
  }

  return null
}

/** The same from an IP packet, by its version. */
export function decodeIp(packet: Uint8Array): TcpSegment | null {
  if (packet.length === 0) return null
  const version = packet[0] >> 4
  if (version === 4) return decodeIPv4(packet)
  return version === 6 ? decodeIPv6(packet) : null
}

function decodeIPv4(packet: Uint8Array): TcpSegment | null {
  if (packet.length < 20) return null
  const header = (packet[0] & 15) * 4
  const total = read16(packet, 2)
  const fragmentOffset = read16(packet, 6) & 0x1fff
  if (header < 20 || total < header || packet[9] !== PROTOCOL_TCP || fragmentOffset !== 0) return null
  const source = packet.subarray(12, 16).join('.')
  const destination = packet.subarray(16, 20).join('.')
  return decodeTcp(packet.subarray(header, total), total - header, source, destination)
}

function decodeIPv6(packet: Uint8Array): TcpSegment | null {
  if (packet.length < 40) return null
  const end = 40 + read16(packet, 4)
  let next = packet[6]
  let at = 40
  while (next !== PROTOCOL_TCP) {
    if (at + 8 > end || at + 8 > packet.length) return null
    if (next === IPV6_FRAGMENT) {
      if (read16(packet, at + 2) >> 3 !== 0) return null
      next = packet[at]
      at += 8
    } else if (IPV6_EXTENSIONS.has(next)) {
      next = packet[at]
      at += (packet[at + 1] + 1) * 8
    } else {
      return null
    }
  }

  if (at > end) return null
  const source = formatAddress(packet.subarray(8, 24))
  const destination = formatAddress(packet.subarray(24, 40))
  return decodeTcp(packet.subarray(at, end), end - at, source, destination)
}

/** @param length of the segment by the IP header; `bytes` may hold less */
function decodeTcp(bytes: Uint8Array, length: number, source: string, destination: string): TcpSegment | null {
  if (bytes.length < 20) return null
  const header = (bytes[12] >> 4) * 4
  if (header < 20 || header > length || header > bytes.length) return null
  const options = decodeOptions(bytes.subarray(20, header))
  if (!options) return null
  return {
    source,
    destination,
    sourcePort: read16(bytes, 0),
    destinationPort: read16(bytes, 2),
    sequence: read32(bytes, 4),
    acknowledgment: read32(bytes, 8),
    flags: bytes[13],
    window: read16(bytes, 14),
    options,
    payloadLength: length - header,
    payload: bytes.subarray(header),
  }
}

/**
 * Reads TCP options (RFC 9293 section 3.2). Unknown kinds are passed over; a known kind of a wrong length is too, as
 * Linux does (tcp_parse_options). Null when a length runs over the end.
 */
export function decodeOptions(bytes: Uint8Array): TcpOptions | null {
  const options: TcpOptions = {}
  let at = 0
  while (at < bytes.length) {
    const kind = bytes[at]
    if (kind === 0) break
    if (kind === 1) {
      at++
      continue
    }

    if (at + 2 > bytes.length) return null
    const length = bytes[at + 1]
    if (length < 2 || at + length > bytes.length) return null
    readOption(options, kind, bytes.subarray(at + 2, at + length))
    at += length
  }

  return options
}

function readOption(options: TcpOptions, kind: number, value: Uint8Array): void {
  if (kind === 2 && value.length === 2) options.maximumSegmentSize = read16(value, 0)
  else if (kind === 3 && value.length === 1) options.windowScale = value[0]
  else if (kind === 4 && value.length === 0) options.sackPermitted = true
  else if (kind === 5 && value.length > 0 && value.length % 8 === 0) {
    options.sackBlocks = Array.from({length: value.length / 8}, (_, block) => [
      read32(value, block * 8),
      read32(value, block * 8 + 4),
    ])
  } else if (kind === 8 && value.length === 8) options.timestamps = {value: read32(value, 0), echo: read32(value, 4)}
  else if (kind === 34) options.fastOpenCookie = value
}

/** `SYN ACK`, in the order of the header's bits from FIN up. */
export function flagNames(flags: number): string {
  return Object.entries(TcpFlag)
    .filter(([, bit]) => flags & bit)
    .map(([name]) => name)
    .join(' ')
}

const read16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1]
const read32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
