import {LONGEST_PACKET} from './packet-sink.js'
import type {PcapHeader} from './pcap-decoder.js'

/** The 24 bytes that a pcap file begins with (draft-ietf-opsawg-pcap section 4). */
export function pcapFileHeader({nanosecond, bigEndian, snapLength, linkType}: PcapHeader): Buffer {
  const bytes = Buffer.alloc(24)
  const put = putter(bytes, bigEndian)
  put(0, nanosecond ? 0xa1b23c4d : 0xa1b2c3d4)
  put(4, bigEndian ? 0x00_02_00_04 : 0x00_04_00_02)
  put(16, snapLength)
  put(20, linkType)
  return bytes
}

/**
 * A packet as it stands in a pcap file: 16 bytes and the data, cut at the header's snap length.
 *
 * @param seconds since 1970, UTC, below 2^32
 * @param nanoseconds below 10^9; a file of microseconds drops what is finer
 * @param originalLength on the wire, when `data` is not all of it
 */
export function pcapPacket(
  header: PcapHeader,
  data: Uint8Array,
  seconds: number,
  nanoseconds: number,
  originalLength = data.length,
): Buffer {
  const length = Math.min(data.length, header.snapLength, LONGEST_PACKET)
  const bytes = Buffer.alloc(16 + length)
  const put = putter(bytes, header.bigEndian)
  put(0, seconds)
  put(4, header.nanosecond ? nanoseconds : Math.floor(nanoseconds / 1000))
  put(8, length)
  put(12, originalLength)
  bytes.set(data.subarray(0, length), 16)
  return bytes
}

function putter(bytes: Buffer, bigEndian: boolean): (at: number, value: number) => void {
  return (at, value) => {
    if (bigEndian) bytes.writeUInt32BE(value, at)
    else bytes.writeUInt32LE(value, at)
  }
}
