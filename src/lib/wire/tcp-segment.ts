import {decodeIpPacket, type IpPacket} from './ip-packet.js'
import {ipOfFrame, LinkType} from './link-layer.js'

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

const PROTOCOL_TCP = 6

/**
 * Reads a TCP segment from an Ethernet frame, with up to two VLAN tags. Null for what is not TCP, is a later fragment,
 * contradicts itself or is cut off before the end of the TCP header; never throws.
 */
export function decodeEthernet(frame: Uint8Array): TcpSegment | null {
  const packet = ipOfFrame(LinkType.Ethernet, frame)
  return packet ? decodeIp(packet) : null
}

/** The same from an IP packet, by its version. */
export function decodeIp(packet: Uint8Array): TcpSegment | null {
  const ip = decodeIpPacket(packet)
  return ip ? decodeTcp(ip) : null
}

/** The TCP segment that an IP packet carries; null for another protocol, a later fragment, or what is cut or malformed. */
export function decodeTcp(ip: IpPacket): TcpSegment | null {
  const bytes = ip.payload
  const length = ip.payloadLength
  if (ip.protocol !== PROTOCOL_TCP || ip.fragmentOffset !== 0 || bytes.length < 20) return null
  const header = (bytes[12] >> 4) * 4
  if (header < 20 || header > length || header > bytes.length) return null
  const options = decodeOptions(bytes.subarray(20, header))
  if (!options) return null
  return {
    source: ip.source,
    destination: ip.destination,
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
