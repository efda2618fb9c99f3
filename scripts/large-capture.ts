/**
 * Makes a large capture out of small ones: `large-capture.ts DIRECTORY FILE MEGABYTES`, `-` for standard output, so that
 * no disk need hold it. Every IP packet of the captures in
 * the directory, again and again, each time with other addresses and later: every round has connections of its own.
 * The result is pcap of Ethernet; checksums of IPv4 and TCP are not made right again, since nobody here looks at them.
 */
import {closeSync, openSync, readdirSync, writeSync} from 'node:fs'
import {join} from 'node:path'

import {readCapture} from '../src/lib/capture/capture-reader.js'
import {LINKTYPE_ETHERNET} from '../src/lib/capture/link-types.js'
import type {PcapHeader} from '../src/lib/capture/pcap-decoder.js'
import {pcapFileHeader, pcapPacket} from '../src/lib/capture/pcap-writer.js'
import {Located, TcpLocator} from '../src/lib/capture/tcp-locator.js'

interface Template {
  /** From the IP header on. */
  data: Buffer
  originalLength: number
  ipv6: boolean
  /** Since the first packet of its capture, ns; bounded, since one capture has clocks that run wild. */
  afterNs: number
}

const header: PcapHeader = {nanosecond: false, bigEndian: false, snapLength: 262_144, linkType: LINKTYPE_ETHERNET}
const LONGEST_NS = 3600e9
const ROUND_SECONDS = 30
const FLUSH_BYTES = 4 << 20
const CLOCK = new Int32Array(new SharedArrayBuffer(4))

async function templates(file: string): Promise<Template[]> {
  const found: Template[] = []
  const locator = new TcpLocator()
  let first = Number.NaN
  await readCapture(file, {
    packet(bytes, at, length, originalLength, linkType, seconds, nanoseconds) {
      const timeNs = seconds * 1e9 + nanoseconds
      if (Number.isNaN(first)) first = timeNs
      if (locator.locate(bytes, at, length, originalLength, linkType) !== Located.FOUND) return
      const ipAt = locator.sourceAt - (locator.ipv6 ? 8 : 12)
      found.push({
        data: Buffer.from(bytes.subarray(ipAt, at + length)),
        originalLength: originalLength - (ipAt - at),
        ipv6: locator.ipv6,
        afterNs: Math.min(Math.max(0, timeNs - first), LONGEST_NS),
      })
    },
  })
  return found
}

/** The packet of a round: an Ethernet header, and the round's number in the upper bits of both addresses. */
function ofRound({data, ipv6}: Template, round: number): Buffer {
  const bytes = Buffer.alloc(14 + data.length)
  bytes.writeUInt16BE(ipv6 ? 0x86dd : 0x0800, 12)
  data.copy(bytes, 14)
  for (const at of ipv6 ? [14 + 8, 14 + 24] : [14 + 12, 14 + 16]) {
    bytes.writeUInt32BE((bytes.readUInt32BE(at) ^ (round << 12)) >>> 0, at)
  }

  return bytes
}

const [directory, target, megabytes] = process.argv.slice(2)
const names = readdirSync(directory).filter((name) => /\.pcap(ng)?$/.test(name))
const packets: Template[] = []
for (const name of names.sort()) packets.push(...(await templates(join(directory, name))))
packets.sort((a, b) => a.afterNs - b.afterNs)

const file = target === '-' ? 1 : openSync(target, 'w')

/** A pipe takes what it has room for, and sometimes nothing. */
function write(bytes: Buffer): number {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(file, bytes, done)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(CLOCK, 0, 0, 1)
    }
  }

  return bytes.length
}

let written = write(pcapFileHeader(header))
let pending: Buffer[] = []
let pendingBytes = 0
for (let round = 0; written < Number(megabytes) * 1e6; round++) {
  for (const packet of packets) {
    const timeNs = (1_700_000_000 + round * ROUND_SECONDS) * 1e9 + packet.afterNs
    const seconds = Math.floor(timeNs / 1e9)
    const bytes = pcapPacket(
      header,
      ofRound(packet, round),
      seconds,
      timeNs - seconds * 1e9,
      Math.max(packet.originalLength, packet.data.length) + 14,
    )
    pending.push(bytes)
    pendingBytes += bytes.length
    if (pendingBytes < FLUSH_BYTES) continue
    written += write(Buffer.concat(pending))
    pending = []
    pendingBytes = 0
  }
}

write(Buffer.concat(pending))
if (target !== '-') closeSync(file)
process.stderr.write(`${target}: ${packets.length} packets a round, ${Math.round(written / 1e6)} MB\n`)
