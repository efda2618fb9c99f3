import {expect} from 'chai'
import {spawnSync} from 'node:child_process'
import {existsSync, mkdtempSync, readdirSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {readCapture} from '../../../src/lib/capture/capture-reader.js'
import {RawIpWriter} from '../../../src/lib/capture/raw-ip-writer.js'
import {decodeIpPacket, type IpPacket} from '../../../src/lib/wire/ip-packet.js'
import {ipOfFrame} from '../../../src/lib/wire/link-layer.js'
import {encodeIp} from '../../../src/lib/wire/tcp-packet.js'
import {decodeTcp, type TcpSegment} from '../../../src/lib/wire/tcp-segment.js'

/** A link type of each kind in every run; by `npm run test:captures` all of a directory. */
const SAMPLE = ['ssh-dups.pcap', 'four_ipv6_http_streams.pcap', 'sll.pcap', 'raw_ip.pcap']
const ALL_OF = process.env.OVERLAY_CAPTURES
const CAPTURES = ALL_OF ?? fileURLToPath(new URL('../../../../shared/captures/', import.meta.url))
const files = ALL_OF === undefined ? SAMPLE : readdirSync(ALL_OF).filter((file) => /\.pcap(ng)?$/.test(file))

interface Seen {
  /** From 1, of all packets of the capture. */
  number: number
  ip: IpPacket
  tcp: TcpSegment
}

describe('packets beside tshark', () => {
  let directory: string

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'overlay-tshark-'))
  })

  after(() => rmSync(directory, {recursive: true}))

  for (const file of files) {
    it(`${file}: read as tshark reads it, and what is written of it is read alike, with good checksums`, async function () {
      this.timeout(120_000)
      const path = join(CAPTURES, file)
      if (!existsSync(path)) {
        process.stderr.write(`      no shared captures here: not compared\n`)
        return
      }

      const seen = await segmentsOf(path)
      expect(seen.map((each) => fieldsOf(each))).to.deep.equal(tshark(path))

      const again = join(directory, 'again.pcap')
      const writer = new RawIpWriter(again)
      for (const {ip, tcp} of seen) writer.write(0n, rewritten(ip, tcp))
      writer.close()
      const written = seen.map((each, index) => fieldsOf({...each, number: index + 1}))
      expect(tshark(again)).to.deep.equal(written)
      expect(badChecksums(again)).to.deep.equal([])
      process.stderr.write(`      ${seen.length} segments\n`)
    })
  }
})

async function segmentsOf(file: string): Promise<Seen[]> {
  const seen: Seen[] = []
  let number = 0
  await readCapture(file, {
    packet(bytes, at, length, _originalLength, linkType) {
      number++
      // A copy: the reader uses its window again.
      const frame = ipOfFrame(linkType, Buffer.from(bytes.subarray(at, at + length)))
      const ip = frame && decodeIpPacket(frame)
      const tcp = ip && decodeTcp(ip)
      if (ip && tcp) seen.push({number, ip, tcp})
    },
  })
  return seen
}

/** The packet as the encoder makes it of what was read; payload that the capture cut off is zeros. */
function rewritten({hopLimit}: IpPacket, tcp: TcpSegment): Buffer {
  const payload = Buffer.alloc(tcp.payloadLength)
  payload.set(tcp.payload)
  const {maximumSegmentSize, windowScale, sackPermitted, timestamps} = tcp.options
  return encodeIp({
    ...tcp,
    source: {address: tcp.source, port: tcp.sourcePort},
    destination: {address: tcp.destination, port: tcp.destinationPort},
    options: {maximumSegmentSize, windowScale, sackPermitted, timestamps},
    payload,
    hopLimit,
  })
}

function fieldsOf({number, ip, tcp}: Seen): string {
  const {maximumSegmentSize = '', windowScale = '', timestamps, sackPermitted} = tcp.options
  return [
    number,
    ip.hopLimit,
    tcp.sourcePort,
    tcp.destinationPort,
    tcp.sequence,
    tcp.acknowledgment,
    tcp.flags,
    tcp.window,
    tcp.payloadLength,
    maximumSegmentSize,
    windowScale,
    timestamps?.value ?? '',
    timestamps?.echo ?? '',
    sackPermitted ? 1 : '',
  ].join(' ')
}

const FIELDS = [
  'frame.number',
  'ip.ttl',
  'ipv6.hlim',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.seq_raw',
  'tcp.ack_raw',
  'tcp.flags',
  'tcp.window_size_value',
  'tcp.len',
  'tcp.options.mss_val',
  'tcp.options.wscale.shift',
  'tcp.options.timestamp.tsval',
  'tcp.options.timestamp.tsecr',
  'tcp.options.sack_perm',
]

function tshark(file: string): string[] {
  return run(file, 'tcp && !icmp && !icmpv6', FIELDS).map((line) => {
    const [number, ttl, limit, ...rest] = line.split('\t')
    rest[4] = String(Number(rest[4]))
    if (rest[11]) rest[11] = '1'
    return [number, ttl || limit, ...rest].join(' ')
  })
}

/** Frames of which tshark says that a checksum is wrong. */
const badChecksums = (file: string): string[] =>
  run(file, 'ip.checksum.status == 0 || tcp.checksum.status != 1', ['frame.number'])

function run(file: string, filter: string, fields: readonly string[]): string[] {
  const preferences = ['tcp.desegment_tcp_streams:false', 'ip.defragment:false']
  preferences.push('ip.check_checksum:TRUE', 'tcp.check_checksum:TRUE')
  const words = ['-r', file, ...preferences.flatMap((each) => ['-o', each]), '-Y', filter, '-T', 'fields']
  const {stdout, status, stderr} = spawnSync('tshark', [...words, ...fields.flatMap((field) => ['-e', field])], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(stderr)
  return stdout.split('\n').filter((line) => line !== '')
}
