import * as link from '../../../src/lib/capture/link-types.js'
import {PcapngWriter, type PcapngInterface} from '../../../src/lib/capture/pcapng-writer.js'
import {
  CLIENT,
  clockOf,
  ethernetBytes,
  exchange,
  ipBytes,
  ipv4Bytes,
  ipv6Bytes,
  NANOSECOND_PCAP,
  pcapOf,
  SERVER,
  type Crafted,
} from './crafted.js'

/** A way in which the packets of an exchange can come. */
export interface Wrapping {
  name: string
  linkType: number
  wrap: (crafted: Crafted) => Buffer[]
}

const VLAN = 0x8100
const QINQ = 0x88a8
const half = (value: number): Buffer => Buffer.of(value >> 8, value & 255)
const type = (ip: Buffer): Buffer => half(ip[0] >> 4 === 6 ? 0x86dd : 0x0800)
const ends = (crafted: Crafted): [string, string] =>
  crafted.from === 'server' ? ['192.0.2.2', '192.0.2.1'] : ['192.0.2.1', '192.0.2.2']

function udpBytes(port: number, data: Buffer): Buffer {
  return Buffer.concat([half(40_000), half(port), half(8 + data.length), half(0), data])
}

/** Fragments of an IPv4 packet, in an order of their own. @param step bytes of each, a multiple of 8 */
function fragments(crafted: Crafted, step: number): Buffer[] {
  const data = ipBytes(crafted).subarray(20)
  const [source, destination] = crafted.from === 'server' ? [SERVER[4], CLIENT[4]] : [CLIENT[4], SERVER[4]]
  const identity = Math.round(crafted.at * 10)
  const pieces: Buffer[] = []
  for (let at = 0; at < data.length; at += step) {
    const more = at + step < data.length ? 0x2000 : 0
    const piece = data.subarray(at, at + step)
    pieces.push(ethernetBytes(ipv4Bytes(source, destination, 6, piece, {fragment: more | (at / 8), identity})))
  }

  return pieces.reverse()
}

function ipv6Fragments(crafted: Crafted): Buffer[] {
  const data = ipBytes(crafted, 6).subarray(40)
  const [source, destination] = crafted.from === 'server' ? [SERVER[6], CLIENT[6]] : [CLIENT[6], SERVER[6]]
  const header = (field: number): Buffer => {
    const bytes = Buffer.of(6, 0, 0, 0, 0, 0, 0, 0)
    bytes.writeUInt16BE(field, 2)
    bytes.writeUInt32BE(Math.round(crafted.at * 10), 4)
    return bytes
  }

  const pieces = [Buffer.concat([header(1), data.subarray(0, 16)]), Buffer.concat([header(16), data.subarray(16)])]
  return pieces.map((piece) => ethernetBytes(ipv6Bytes(source, destination, 44, piece)))
}

const ethernet = (name: string, wrap: (crafted: Crafted) => Buffer | Buffer[]): Wrapping => ({
  name,
  linkType: link.LINKTYPE_ETHERNET,
  wrap: (crafted) => [wrap(crafted)].flat(),
})
const raw = (name: string, linkType: number, wrap: (crafted: Crafted) => Buffer): Wrapping => ({
  name,
  linkType,
  wrap: (crafted) => [wrap(crafted)],
})

/** Link types, tags, extension headers, fragments and tunnels, with one segment in each. */
export const WRAPPINGS: Wrapping[] = [
  ethernet('Ethernet', (crafted) => ethernetBytes(ipBytes(crafted))),
  ethernet('Ethernet with IPv6', (crafted) => ethernetBytes(ipBytes(crafted, 6))),
  ethernet('a VLAN', (crafted) => ethernetBytes(ipBytes(crafted), [[VLAN, 7]])),
  ethernet('QinQ', (crafted) =>
    ethernetBytes(ipBytes(crafted), [
      [QINQ, 7],
      [VLAN, 8],
    ]),
  ),
  ethernet('IEEE 802.2 with SNAP', (crafted) => {
    const ip = ipBytes(crafted)
    const head = Buffer.concat([Buffer.alloc(12), half(ip.length + 8), Buffer.from('aaaa03000000', 'hex'), type(ip)])
    return Buffer.concat([head, ip])
  }),
  ethernet('padding to 60 bytes', (crafted) => {
    const frame = ethernetBytes(ipBytes(crafted))
    return Buffer.concat([frame, Buffer.alloc(Math.max(0, 60 - frame.length))])
  }),
  ethernet('IPv4 fragments in reverse', (crafted) => fragments(crafted, 24)),
  ethernet('IPv6 fragments', (crafted) => ipv6Fragments(crafted)),
  ethernet('IPv6 extension headers', (crafted) => {
    const data = ipBytes(crafted, 6)
    const options = Buffer.concat([Buffer.from('3c00010400000000', 'hex'), Buffer.from('0600010400000000', 'hex')])
    const [source, destination] = crafted.from === 'server' ? [SERVER[6], CLIENT[6]] : [CLIENT[6], SERVER[6]]
    return ethernetBytes(ipv6Bytes(source, destination, 0, Buffer.concat([options, data.subarray(40)])))
  }),
  ethernet('a segmentation offload that leaves the length at 0', (crafted) => {
    const ip = ipBytes(crafted)
    ip.writeUInt16BE(0, 2)
    return ethernetBytes(ip)
  }),
  ethernet('GRE', (crafted) => {
    const ip = ipBytes(crafted)
    return ethernetBytes(ipv4Bytes(...ends(crafted), 47, Buffer.concat([half(0), type(ip), ip])))
  }),
  ethernet('GRE with checksum, key and sequence number, over IPv6', (crafted) => {
    const ip = ipBytes(crafted)
    const gre = Buffer.concat([half(0xb000), type(ip), Buffer.alloc(12), ip])
    return ethernetBytes(ipv6Bytes(SERVER[6], CLIENT[6], 47, gre))
  }),
  ethernet('GRE of Ethernet', (crafted) => {
    const frame = ethernetBytes(ipBytes(crafted, 6), [[VLAN, 9]])
    return ethernetBytes(ipv4Bytes(...ends(crafted), 47, Buffer.concat([half(0), half(0x6558), frame])))
  }),
  ethernet('VXLAN', (crafted) => {
    const vxlan = Buffer.concat([Buffer.from('0800000000002a00', 'hex'), ethernetBytes(ipBytes(crafted))])
    return ethernetBytes(ipv4Bytes(...ends(crafted), 17, udpBytes(4789, vxlan)))
  }),
  ethernet('IPv6 in IPv4', (crafted) => ethernetBytes(ipv4Bytes(...ends(crafted), 41, ipBytes(crafted, 6)))),
  raw('Linux cooked v1', link.LINKTYPE_LINUX_SLL, (crafted) => {
    const ip = ipBytes(crafted)
    return Buffer.concat([Buffer.alloc(14), type(ip), ip])
  }),
  raw('Linux cooked v1 with a VLAN', link.LINKTYPE_LINUX_SLL, (crafted) => {
    const ip = ipBytes(crafted)
    return Buffer.concat([Buffer.alloc(14), half(VLAN), half(5), type(ip), ip])
  }),
  raw('Linux cooked v2', link.LINKTYPE_LINUX_SLL2, (crafted) => {
    const ip = ipBytes(crafted, 6)
    return Buffer.concat([type(ip), Buffer.alloc(18), ip])
  }),
  raw('raw IP', link.LINKTYPE_RAW, (crafted) => ipBytes(crafted)),
  raw('raw IPv6', link.LINKTYPE_IPV6, (crafted) => ipBytes(crafted, 6)),
  raw('null, little-endian', link.LINKTYPE_NULL, (crafted) => Buffer.concat([Buffer.of(2, 0, 0, 0), ipBytes(crafted)])),
  raw('null, big-endian', link.LINKTYPE_NULL, (crafted) =>
    Buffer.concat([Buffer.of(0, 0, 0, 30), ipBytes(crafted, 6)]),
  ),
  raw('loopback of OpenBSD', link.LINKTYPE_LOOP, (crafted) =>
    Buffer.concat([Buffer.of(0, 0, 0, 24), ipBytes(crafted, 6)]),
  ),
]

/** A pcap file of one exchange, wrapped. */
export function wrappedCapture({linkType, wrap}: Wrapping): Buffer {
  const frames = exchange().flatMap((crafted) => wrap(crafted).map((data) => ({at: crafted.at, data})))
  return pcapOf(frames, {...NANOSECOND_PCAP, linkType})
}

/** A section of a pcapng file with the exchanges that belong to its interfaces. */
export function pcapngSection(
  bigEndian: boolean,
  interfaces: readonly {description: PcapngInterface; segments: readonly Crafted[]; wrap: Wrapping['wrap']}[],
): Buffer {
  const writer = new PcapngWriter(bigEndian)
  const blocks = [writer.section(), ...interfaces.map(({description}) => writer.interface(description))]
  // A name resolution block and one of nobody's, which readers pass over.
  blocks.push(writer.block(4, Buffer.alloc(4)), writer.block(0x0bad, Buffer.alloc(7)))
  for (const [number, {segments, wrap}] of interfaces.entries()) {
    for (const crafted of segments) {
      for (const data of wrap(crafted)) blocks.push(writer.packet(number, data, ...clockOf(crafted.at)))
    }
  }

  return Buffer.concat(blocks)
}

const wrapOf = (name: string): Wrapping => WRAPPINGS.find((wrapping) => wrapping.name === name)!

const described = (name: string, more: Partial<PcapngInterface>, port: number, shift: number) => ({
  description: {linkType: wrapOf(name).linkType, ...more},
  segments: exchange(shift, {clientPort: port}),
  wrap: wrapOf(name).wrap,
})

/** Two sections of two byte orders; interfaces of four link types and clocks; four exchanges. */
export function manySidedPcapng(): Buffer {
  return Buffer.concat([
    pcapngSection(false, [described('Ethernet', {}, 50_001, 0), described('raw IP', {resolution: 9}, 50_002, 1000)]),
    pcapngSection(true, [
      described('Linux cooked v2', {resolution: 0x80 | 30, offsetSeconds: 1_600_000_000}, 50_003, 2000),
      described('null, little-endian', {resolution: 3}, 50_004, 3000),
    ]),
  ])
}

/** One capture of each kind. */
export function crowdedCaptures(): {name: string; bytes: Buffer}[] {
  return [
    ...WRAPPINGS.map((wrapping) => ({name: wrapping.name, bytes: wrappedCapture(wrapping)})),
    {name: 'pcapng', bytes: manySidedPcapng()},
  ]
}
