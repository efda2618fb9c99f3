import {LINKTYPE_ETHERNET} from '../../../src/lib/capture/link-types.js'
import type {PcapHeader} from '../../../src/lib/capture/pcap-decoder.js'
import {pcapFileHeader, pcapPacket} from '../../../src/lib/capture/pcap-writer.js'
import {addressBytes} from '../../../src/lib/wire/endpoint.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'

/** A segment as a test writes it. */
export interface Crafted {
  /** ms since the capture began. */
  at: number
  from?: 'client' | 'server'
  /** E.g. `SA`: letters of FIN, SYN, RST, PSH, ACK. */
  flags: string
  /** Relative to the ISN of its side; the SYN has 0. */
  seq?: number
  ack?: number
  payload?: Uint8Array
  options?: Uint8Array
  clientPort?: number
  clientIsn?: number
  serverIsn?: number
}

export const CLIENT = {4: '10.1.0.1', 6: 'fd00:1::1'} as const
export const SERVER = {4: '10.2.0.2', 6: 'fd00:2::2'} as const
export const SERVER_PORT = 443
export const CLIENT_PORT = 50_000
export const CLIENT_ISN = 1000
export const SERVER_ISN = 9000
/** MSS 1460, SACK permitted, timestamps, no-operation, window scale 7: what Linux sends. */
export const LINUX_OPTIONS = Buffer.from('020405b40402080a000000010000000001030307', 'hex')

const LETTERS: Record<string, number> = {
  F: TcpFlag.FIN,
  S: TcpFlag.SYN,
  R: TcpFlag.RST,
  P: TcpFlag.PSH,
  A: TcpFlag.ACK,
}

/** The TCP segment, without a checksum. */
export function tcpBytes(crafted: Crafted): Buffer {
  const {from = 'client', seq = 0, ack = 0, payload = new Uint8Array(0), options = new Uint8Array(0)} = crafted
  const {clientPort = CLIENT_PORT, clientIsn = CLIENT_ISN, serverIsn = SERVER_ISN} = crafted
  const [own, others] = from === 'client' ? [clientIsn, serverIsn] : [serverIsn, clientIsn]
  const flags = [...crafted.flags].reduce((bits, letter) => bits | LETTERS[letter], 0)
  const bytes = Buffer.alloc(20 + options.length + payload.length)
  bytes.writeUInt16BE(from === 'client' ? clientPort : SERVER_PORT, 0)
  bytes.writeUInt16BE(from === 'client' ? SERVER_PORT : clientPort, 2)
  bytes.writeUInt32BE((own + seq) >>> 0, 4)
  bytes.writeUInt32BE((flags & TcpFlag.ACK) === 0 ? 0 : (others + ack) >>> 0, 8)
  bytes[12] = ((20 + options.length) / 4) << 4
  bytes[13] = flags
  bytes.writeUInt16BE(64_240, 14)
  bytes.set(options, 20)
  bytes.set(payload, 20 + options.length)
  return bytes
}

/** An IPv4 packet; `total` as its header says. */
export function ipv4Bytes(
  source: string,
  destination: string,
  protocol: number,
  data: Uint8Array,
  {total = 20 + data.length, fragment = 0, identity = 1}: {total?: number; fragment?: number; identity?: number} = {},
): Buffer {
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(total, 2)
  header.writeUInt16BE(identity, 4)
  header.writeUInt16BE(fragment, 6)
  header[8] = 64
  header[9] = protocol
  header.set(addressBytes(source).subarray(12), 12)
  header.set(addressBytes(destination).subarray(12), 16)
  return Buffer.concat([header, data])
}

export function ipv6Bytes(source: string, destination: string, next: number, data: Uint8Array): Buffer {
  const header = Buffer.alloc(40)
  header[0] = 0x60
  header.writeUInt16BE(data.length, 4)
  header[6] = next
  header[7] = 64
  header.set(addressBytes(source), 8)
  header.set(addressBytes(destination), 24)
  return Buffer.concat([header, data])
}

/** The IP packet of a segment. */
export function ipBytes(crafted: Crafted, family: 4 | 6 = 4): Buffer {
  const ends = [CLIENT[family], SERVER[family]]
  const [source, destination] = crafted.from === 'server' ? ends.reverse() : ends
  const make = family === 4 ? ipv4Bytes : ipv6Bytes
  return make(source, destination, 6, tcpBytes(crafted))
}

/** An Ethernet frame around an IP packet. @param tags of VLANs: EtherType and number */
export function ethernetBytes(ip: Buffer, tags: [type: number, vlan: number][] = []): Buffer {
  const words = [...tags.flat(), ip[0] >> 4 === 6 ? 0x86dd : 0x0800]
  const types = Buffer.alloc(words.length * 2)
  for (const [index, value] of words.entries()) types.writeUInt16BE(value, index * 2)
  return Buffer.concat([Buffer.alloc(12, 2), types, ip])
}

/** Ten packets of one exchange at an RTT of 40 ms, captured near the client. */
export function exchange(shift = 0, more: Partial<Crafted> = {}): Crafted[] {
  const hello = Buffer.from('GET / HTTP/1.1\r\n\r\n')
  const page = Buffer.alloc(1000, 'p')
  const [asked, answered] = [1 + hello.length, 1 + page.length]
  return [
    {at: 0, flags: 'S', options: LINUX_OPTIONS},
    {at: 40, from: 'server' as const, flags: 'SA', ack: 1, options: LINUX_OPTIONS},
    {at: 40.1, flags: 'A', seq: 1, ack: 1},
    {at: 41.1, flags: 'PA', seq: 1, ack: 1, payload: hello},
    {at: 81.1, from: 'server' as const, flags: 'A', seq: 1, ack: asked},
    {at: 84.1, from: 'server' as const, flags: 'PA', seq: 1, ack: asked, payload: page},
    {at: 84.2, flags: 'A', seq: asked, ack: answered},
    {at: 90, flags: 'FA', seq: asked, ack: answered},
    {at: 130, from: 'server' as const, flags: 'FA', seq: answered, ack: asked + 1},
    {at: 130.1, flags: 'A', seq: asked + 1, ack: answered + 1},
  ].map((crafted) => ({...crafted, ...more, at: crafted.at + shift}))
}

export const NANOSECOND_PCAP: PcapHeader = {
  nanosecond: true,
  bigEndian: false,
  snapLength: 262_144,
  linkType: LINKTYPE_ETHERNET,
}

/** Second and nanosecond of a time of a crafted capture. */
export function clockOf(atMs: number): [seconds: number, nanoseconds: number] {
  const ns = Math.round(atMs * 1e6)
  const seconds = Math.floor(ns / 1e9)
  return [1_700_000_000 + seconds, ns - seconds * 1e9]
}

/** A pcap file of frames. */
export function pcapOf(
  frames: readonly {at: number; data: Buffer; originalLength?: number}[],
  header = NANOSECOND_PCAP,
) {
  return Buffer.concat([
    pcapFileHeader(header),
    ...frames.map(({at, data, originalLength}) => pcapPacket(header, data, ...clockOf(at), originalLength)),
  ])
}

/** A pcap file of Ethernet frames of segments. */
export function pcapOfSegments(segments: readonly Crafted[], family: 4 | 6 = 4): Buffer {
  return pcapOf(segments.map((crafted) => ({at: crafted.at, data: ethernetBytes(ipBytes(crafted, family))})))
}
