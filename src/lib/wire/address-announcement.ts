import {addressBytes} from './endpoint.js'
import {addToSum, finishSum, pseudoHeaderSum} from './internet-checksum.js'

const ETHERNET_BYTES = 14
const ETHERTYPE_ARP = 0x0806
const ETHERTYPE_IPV6 = 0x86dd
const ARP_REQUEST = 1
const ARP_REPLY = 2
const PROTOCOL_ICMPV6 = 58
const NEIGHBOUR_ADVERTISEMENT = 136
/** Flag O: replace what is cached; not solicited, not a router. */
const OVERRIDE = 0x20_00_00_00
const OPTION_TARGET_LINK_ADDRESS = 2
const ALL_NODES = addressBytes('ff02::1')
const ALL_NODES_MAC = Buffer.from('333300000001', 'hex')
const BROADCAST_MAC = Buffer.alloc(6, 0xff)

/**
 * Ethernet frames that make neighbours send an address's packets to this MAC from now on: for IPv4 an ARP announcement
 * (RFC 5227 section 3: a request) and a reply of the same content, which some devices want instead; for IPv6 one
 * unsolicited neighbour advertisement to all nodes (RFC 4861 section 7.2.6).
 *
 * @param mac 6 bytes
 */
export function announcementFrames(address: string, mac: Uint8Array): Buffer[] {
  if (address.includes(':')) return [neighbourAdvertisement(addressBytes(address), mac)]
  const ipv4 = addressBytes(address).subarray(12)
  // Linux takes a reply for gratuitous only when both hardware addresses are the sender's (arp_is_garp); a gratuitous
  // one overrides an entry that was confirmed less than a second ago.
  return [arp(ARP_REQUEST, ipv4, mac, Buffer.alloc(6)), arp(ARP_REPLY, ipv4, mac, mac)]
}

function arp(operation: number, address: Uint8Array, mac: Uint8Array, targetMac: Uint8Array): Buffer {
  const frame = ethernet(BROADCAST_MAC, mac, ETHERTYPE_ARP, 28)
  frame.writeUInt16BE(1, 14) // Ethernet
  frame.writeUInt16BE(0x0800, 16) // IPv4
  frame[18] = 6
  frame[19] = 4
  frame.writeUInt16BE(operation, 20)
  frame.set(mac, 22)
  frame.set(address, 28)
  frame.set(targetMac, 32)
  frame.set(address, 38)
  return frame
}

function neighbourAdvertisement(address: Uint8Array, mac: Uint8Array): Buffer {
  const length = 32
  const frame = ethernet(ALL_NODES_MAC, mac, ETHERTYPE_IPV6, 40 + length)
  frame[14] = 0x60
  frame.writeUInt16BE(length, 18)
  frame[20] = PROTOCOL_ICMPV6
  frame[21] = 255 // anything less is taken for forwarded, and dropped
  frame.set(address, 22)
  frame.set(ALL_NODES, 38)
  const message = frame.subarray(54)
  message[0] = NEIGHBOUR_ADVERTISEMENT
  message.writeUInt32BE(OVERRIDE, 4)
  message.set(address, 8)
  message[24] = OPTION_TARGET_LINK_ADDRESS
  message[25] = 1 // in units of 8 bytes
  message.set(mac, 26)
  message.writeUInt16BE(finishSum(addToSum(pseudoHeaderSum(address, ALL_NODES, PROTOCOL_ICMPV6, length), message)), 2)
  return frame
}

function ethernet(destination: Uint8Array, source: Uint8Array, type: number, payload: number): Buffer {
  const frame = Buffer.alloc(ETHERNET_BYTES + payload)
  frame.set(destination, 0)
  frame.set(source, 6)
  frame.writeUInt16BE(type, 12)
  return frame
}
