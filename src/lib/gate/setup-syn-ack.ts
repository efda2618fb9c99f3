import {addToSum, finishSum, pseudoHeaderSum} from '../wire/internet-checksum.js'
import {NO_WINDOW_SCALE, SETUP_WINDOW, SETUP_WINDOW_SCALE, SETUP_WITH_TIMESTAMPS, type SeenSyn} from './setup-maps.js'

const TCP_BYTES = 40
const PROTOCOL_TCP = 6
const HOP_LIMIT = 64
const FLAGS_SYN_ACK = 0x12
const FOUR_NOPS = 0x01_01_01_01

/**
 * The SYN/ACK of a SYN that was answered, once more: byte for byte what bpf/setup-answer.h made of it.
 *
 * @param key of the map `seen_syns`: virtual address (16 bytes, IPv4 as IPv4-mapped), client's address, virtual port,
 * client's port, all in network order
 * @returns an IP packet of 60 or 80 bytes with all checksums
 */
export function encodeSynAck(key: Buffer, seen: SeenSyn): Buffer {
  const ipv4 = isMapped(key)
  const source = key.subarray(ipv4 ? 12 : 0, 16)
  const destination = key.subarray(ipv4 ? 28 : 16, 32)
  const packet = Buffer.alloc((ipv4 ? 20 : 40) + TCP_BYTES)
  if (ipv4) {
    packet[0] = 0x45
    packet.writeUInt16BE(packet.length, 2)
    packet[6] = 0x40 // don't fragment
    packet[8] = HOP_LIMIT
    packet[9] = PROTOCOL_TCP
    source.copy(packet, 12)
    destination.copy(packet, 16)
    packet.writeUInt16BE(finishSum(addToSum(0, packet.subarray(0, 20))), 10)
  } else {
    packet[0] = 0x60
    packet.writeUInt16BE(TCP_BYTES, 4)
    packet[6] = PROTOCOL_TCP
    packet[7] = HOP_LIMIT
    source.copy(packet, 8)
    destination.copy(packet, 24)
  }

  const tcp = packet.subarray(-TCP_BYTES)
  key.copy(tcp, 0, 32, 36)
  tcp.writeUInt32BE(seen.iss, 4)
  tcp.writeUInt32BE((seen.isn + 1) >>> 0, 8)
  tcp[12] = (TCP_BYTES / 4) << 4
  tcp[13] = FLAGS_SYN_ACK
  tcp.writeUInt16BE(SETUP_WINDOW, 14)
  writeOptions(tcp, seen)
  tcp.writeUInt16BE(finishSum(addToSum(pseudoHeaderSum(source, destination, PROTOCOL_TCP, TCP_BYTES), tcp)), 16)
  return packet
}

/** Five words: MSS; SACK permitted and the head of timestamps; TSval; TSecr; window scale. What is not offered is NOPs. */
function writeOptions(tcp: Buffer, {options, mss, tsval, clientTsval}: SeenSyn): void {
  const timestamps = options >>> 8 === SETUP_WITH_TIMESTAMPS
  const sack = (options & 0x80) !== 0
  tcp.writeUInt32BE(0x02_04_00_00 + (mss & 0xff_ff), 20)
  tcp.writeUInt16BE(sack ? 0x04_02 : 0x01_01, 24)
  tcp.writeUInt16BE(timestamps ? 0x08_0a : 0x01_01, 26)
  tcp.writeUInt32BE(timestamps ? tsval : FOUR_NOPS, 28)
  tcp.writeUInt32BE(timestamps ? clientTsval : FOUR_NOPS, 32)
  tcp.writeUInt32BE((options & 15) === NO_WINDOW_SCALE ? FOUR_NOPS : 0x01_03_03_00 + SETUP_WINDOW_SCALE, 36)
}

/** True for an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) at the start of `key`. */
function isMapped(key: Buffer): boolean {
  return key.readUInt32BE(0) === 0 && key.readUInt32BE(4) === 0 && key.readUInt32BE(8) === 0xff_ff
}
