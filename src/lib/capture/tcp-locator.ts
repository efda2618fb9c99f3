import {FragmentTable} from './fragments.js'
import * as link from './link-types.js'

/** Why a packet has no TCP header to look at; 0 when it has. */
export const Located = {
  FOUND: 0,
  LINK_TYPE_UNKNOWN: 1,
  NOT_IP: 2,
  NOT_TCP: 3,
  FRAGMENT: 4,
  CUT_OFF: 5,
  MALFORMED: 6,
  NESTED_TOO_DEEP: 7,
} as const

/** The same in words, for people. */
export const LOCATED_WORDS = [
  'TCP',
  'link type not known',
  'not IP',
  'not TCP',
  'fragment that waits for others',
  'cut off before the end of the TCP header',
  'malformed header',
  'nested too deep',
] as const

const ETHERTYPE_IPV4 = 0x0800
const ETHERTYPE_IPV6 = 0x86dd
const ETHERTYPE_VLAN = 0x8100
const ETHERTYPE_QINQ = 0x88a8
/** QinQ before IEEE 802.1ad had a type of its own for it. */
const ETHERTYPE_QINQ_OLD = 0x9100
/** Below it the field is an IEEE 802.3 length. */
const ETHERTYPE_LEAST = 0x0600
/** GRE of Ethernet frames (RFC 1701 "transparent Ethernet bridging"). */
const ETHERTYPE_BRIDGED = 0x6558
const PROTOCOL_IPV4 = 4
const PROTOCOL_TCP = 6
const PROTOCOL_UDP = 17
const PROTOCOL_IPV6 = 41
const PROTOCOL_GRE = 47
const IPV6_HOP_BY_HOP = 0
const IPV6_ROUTING = 43
const IPV6_FRAGMENT = 44
const IPV6_AUTHENTICATION = 51
const IPV6_DESTINATION = 60
const IPV6_MOBILITY = 135
/** RFC 2675 */
const OPTION_JUMBO = 0xc2
const VXLAN_PORT = 4789
/** What Linux took before IANA had one. */
const VXLAN_PORT_OLD = 8472
const MORE_FRAGMENTS = 0x2000
/** Tunnels within tunnels that are looked into. */
const DEEPEST = 6
const TCP_LEAST = 20

/**
 * Finds the TCP header in a captured packet: link layer, VLAN tags, IPv4 and IPv6 with extension headers, fragments,
 * and what lies inside IP-in-IP, GRE and VXLAN. Leaves where things are in its fields, so that no packet costs an
 * object; they hold until the next call. Never throws.
 */
export class TcpLocator {
  /** Holds the packet: as given, or a datagram put together from fragments. */
  bytes: Buffer = Buffer.alloc(0)
  ipv6 = false
  /** Addresses of 4 or 16 bytes. */
  sourceAt = 0
  destinationAt = 0
  tcpAt = 0
  payloadAt = 0
  /** By the IP header; where a segmentation offload left that at 0, by the packet's length. */
  payloadLength = 0
  /** Of the payload what is there. */
  payloadCaptured = 0
  readonly #fragments = new FragmentTable()
  /** End of what was captured, and of the packet as it was on the wire, both as places in `bytes`. */
  #end = 0
  #wireEnd = 0
  #depth = 0

  /** Fragments that were given up, since the rest of their datagram did not come. */
  get fragmentsGivenUp(): number {
    return this.#fragments.givenUp
  }

  /** @returns one of {@link Located} */
  locate(bytes: Buffer, at: number, length: number, originalLength: number, linkType: number): number {
    this.bytes = bytes
    this.#end = at + length
    this.#wireEnd = at + Math.max(length, originalLength)
    this.#depth = 0
    if (linkType === link.LINKTYPE_ETHERNET) return this.#ethernet(at)
    return this.#otherLink(at, linkType)
  }

  #otherLink(at: number, linkType: number): number {
    switch (linkType) {
      case link.LINKTYPE_LINUX_SLL: {
        return this.#etherType(at + 14, at + 16)
      }

      case link.LINKTYPE_LINUX_SLL2: {
        return this.#etherType(at, at + 20)
      }

      case link.LINKTYPE_RAW:
      case link.LINKTYPE_RAW_BSD:
      case link.LINKTYPE_RAW_OPENBSD:
      case link.LINKTYPE_IPV4:
      case link.LINKTYPE_IPV6: {
        return this.#ip(at)
      }

      case link.LINKTYPE_NULL:
      case link.LINKTYPE_LOOP: {
        return this.#addressFamily(at)
      }

      default: {
        return Located.LINK_TYPE_UNKNOWN
      }
    }
  }

  /** Four bytes of address family, in the byte order of whoever captured. */
  #addressFamily(at: number): number {
    if (at + 4 > this.#end) return Located.CUT_OFF
    const {bytes} = this
    const family = bytes[at] | bytes[at + 1] | bytes[at + 2] | bytes[at + 3]
    // AF_INET everywhere; AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS.
    return family === 2 || family === 10 || family === 24 || family === 28 || family === 30
      ? this.#ip(at + 4)
      : Located.NOT_IP
  }

  #ethernet(at: number): number {
    return this.#etherType(at + 12, at + 14)
  }

  /** @param typeAt where the type field is @param at where its packet begins */
  #etherType(typeAt: number, at: number): number {
    const {bytes} = this
    let next = at
    let field = typeAt
    for (;;) {
      if (next > this.#end) return Located.CUT_OFF
      const type = read16(bytes, field)
      if (type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6) return this.#ip(next)
      if (type === ETHERTYPE_VLAN || type === ETHERTYPE_QINQ || type === ETHERTYPE_QINQ_OLD) {
        field = next + 2
        next += 4
      } else if (type < ETHERTYPE_LEAST && next + 8 <= this.#end && isSnap(bytes, next)) {
        field = next + 6
        next += 8
      } else {
        return Located.NOT_IP
      }
    }
  }

  #ip(at: number): number {
    if (at >= this.#end) return Located.CUT_OFF
    if (++this.#depth > DEEPEST) return Located.NESTED_TOO_DEEP
    const version = this.bytes[at] >> 4
    if (version === 4) return this.#ipv4(at)
    return version === 6 ? this.#ipv6(at) : Located.NOT_IP
  }

  #ipv4(at: number): number {
    const {bytes} = this
    if (at + 20 > this.#end) return Located.CUT_OFF
    const header = (bytes[at] & 15) * 4
    const total = read16(bytes, at + 2)
    // A segmentation offload writes 0 for what does not fit, and leaves the length to the hardware.
    const end = total === 0 ? this.#wireEnd : at + total
    if (header < 20 || at + header > end) return Located.MALFORMED
    const fragment = read16(bytes, at + 6)
    this.ipv6 = false
    this.sourceAt = at + 12
    this.destinationAt = at + 16
    if ((fragment & 0x3fff) !== 0) {
      const more = (fragment & MORE_FRAGMENTS) !== 0
      const whole = this.#fragments.add({
        bytes,
        headerAt: at,
        identityAt: at + 4,
        identityBytes: 2,
        addressesAt: at + 12,
        addressesBytes: 8,
        protocol: bytes[at + 9],
        offset: (fragment & 0x1fff) * 8,
        more,
        dataAt: at + header,
        dataEnd: end,
        capturedEnd: Math.min(end, this.#end),
      })
      return whole === null ? Located.FRAGMENT : this.#reassembled(whole, bytes[at + 9])
    }

    return this.#transport(bytes[at + 9], at + header, end)
  }

  #ipv6(at: number): number {
    const {bytes} = this
    if (at + 40 > this.#end) return Located.CUT_OFF
    const length = read16(bytes, at + 4)
    let end = length === 0 ? this.#wireEnd : at + 40 + length
    this.ipv6 = true
    this.sourceAt = at + 8
    this.destinationAt = at + 24
    let protocol = bytes[at + 6]
    let next = at + 40
    for (;;) {
      switch (protocol) {
        case IPV6_HOP_BY_HOP:
        case IPV6_ROUTING:
        case IPV6_DESTINATION:
        case IPV6_MOBILITY:
        case IPV6_AUTHENTICATION: {
          if (next + 8 > end) return Located.MALFORMED
          if (next + 8 > this.#end) return Located.CUT_OFF
          if (length === 0 && protocol === IPV6_HOP_BY_HOP && bytes[next + 2] === OPTION_JUMBO) {
            end = at + 40 + read32(bytes, next + 4)
          }

          const words = bytes[next + 1]
          const skip = protocol === IPV6_AUTHENTICATION ? (words + 2) * 4 : (words + 1) * 8
          protocol = bytes[next]
          next += skip
          break
        }

        case IPV6_FRAGMENT: {
          if (next + 8 > end) return Located.MALFORMED
          if (next + 8 > this.#end) return Located.CUT_OFF
          const field = read16(bytes, next + 2)
          protocol = bytes[next]
          const fragmentAt = next
          next += 8
          // An atomic fragment (RFC 6946) is whole.
          if ((field & 0xfff9) === 0) break
          const whole = this.#fragments.add({
            bytes,
            headerAt: at,
            identityAt: fragmentAt + 4,
            identityBytes: 4,
            addressesAt: at + 8,
            addressesBytes: 32,
            protocol,
            offset: field & 0xfff8,
            more: (field & 1) !== 0,
            dataAt: next,
            dataEnd: end,
            capturedEnd: Math.min(end, this.#end),
          })
          return whole === null ? Located.FRAGMENT : this.#reassembled(whole, protocol)
        }

        default: {
          return next > end ? Located.MALFORMED : this.#transport(protocol, next, end)
        }
      }
    }
  }

  /** Goes on in a datagram of which all fragments have come. */
  #reassembled(
    {
      bytes,
      ipv6,
      dataAt,
      end,
      capturedEnd,
    }: {
      bytes: Buffer
      ipv6: boolean
      dataAt: number
      end: number
      capturedEnd: number
    },
    protocol: number,
  ): number {
    this.bytes = bytes
    this.ipv6 = ipv6
    this.sourceAt = ipv6 ? 8 : 12
    this.destinationAt = ipv6 ? 24 : 16
    this.#end = capturedEnd
    this.#wireEnd = end
    return this.#transport(protocol, dataAt, end)
  }

  /** @param end of the IP packet on the wire */
  #transport(protocol: number, at: number, end: number): number {
    switch (protocol) {
      case PROTOCOL_TCP: {
        return this.#tcp(at, end)
      }

      case PROTOCOL_IPV4:
      case PROTOCOL_IPV6: {
        return this.#ip(at)
      }

      case PROTOCOL_GRE: {
        return this.#gre(at)
      }

      case PROTOCOL_UDP: {
        return this.#udp(at)
      }

      default: {
        return Located.NOT_TCP
      }
    }
  }

  /** RFC 2784 and 2890; with routing (RFC 1701) or of version 1 (PPTP) it is not looked into. */
  #gre(at: number): number {
    if (at + 4 > this.#end) return Located.CUT_OFF
    const flags = read16(this.bytes, at)
    if ((flags & 0x4007) !== 0) return Located.NOT_TCP
    let next = at + 4
    if ((flags & 0x8000) !== 0) next += 4
    if ((flags & 0x2000) !== 0) next += 4
    if ((flags & 0x1000) !== 0) next += 4
    const type = read16(this.bytes, at + 2)
    if (type === ETHERTYPE_BRIDGED) return next > this.#end ? Located.CUT_OFF : this.#ethernet(next)
    return type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6 ? this.#ip(next) : Located.NOT_TCP
  }

  /** UDP is of interest when it is VXLAN (RFC 7348): by port, with the I flag set. */
  #udp(at: number): number {
    if (at + 16 > this.#end || ++this.#depth > DEEPEST) return Located.NOT_TCP
    const port = read16(this.bytes, at + 2)
    if (port !== VXLAN_PORT && port !== VXLAN_PORT_OLD) return Located.NOT_TCP
    return (this.bytes[at + 8] & 0x08) === 0 ? Located.NOT_TCP : this.#ethernet(at + 16)
  }

  #tcp(at: number, end: number): number {
    const {bytes} = this
    if (at + TCP_LEAST > end) return Located.MALFORMED
    if (at + TCP_LEAST > this.#end) return Located.CUT_OFF
    const payloadAt = at + (bytes[at + 12] >> 4) * 4
    if (payloadAt < at + TCP_LEAST || payloadAt > end) return Located.MALFORMED
    this.tcpAt = at
    this.payloadAt = payloadAt
    this.payloadLength = end - payloadAt
    this.payloadCaptured = Math.max(0, Math.min(end, this.#end) - payloadAt)
    return Located.FOUND
  }
}

/** IEEE 802.2 LLC with SNAP, organisation 0: an EtherType follows (RFC 1042). */
function isSnap(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === 0xaa &&
    bytes[at + 1] === 0xaa &&
    bytes[at + 2] === 3 &&
    bytes[at + 3] === 0 &&
    bytes[at + 4] === 0 &&
    bytes[at + 5] === 0
  )
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1]
}

function read32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}
