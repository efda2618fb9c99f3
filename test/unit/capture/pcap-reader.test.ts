import {expect} from 'chai'
import {assert as holds, property, uint8Array} from 'fast-check'
import {execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {LINKTYPE_ETHERNET, PcapReader} from '../../../src/lib/capture/pcap-reader.js'
import {OverlayError} from '../../../src/lib/errors/index.js'
import {decodeEthernet} from '../../../src/lib/wire/tcp-segment.js'

interface Shape {
  nanosecond: boolean
  bigEndian: boolean
}

function write({nanosecond, bigEndian}: Shape, packets: [seconds: number, fraction: number, data: Buffer][]): Buffer {
  const words = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(values.length * 4)
    for (const [index, value] of values.entries()) {
      if (bigEndian) bytes.writeUInt32BE(value, index * 4)
      else bytes.writeUInt32LE(value, index * 4)
    }

    return bytes
  }

  const version = bigEndian ? 0x00_02_00_04 : 0x00_04_00_02
  return Buffer.concat([
    words(nanosecond ? 0xa1b23c4d : 0xa1b2c3d4, version, 0, 0, 65_535, 1),
    ...packets.flatMap(([seconds, fraction, data]) => [words(seconds, fraction, data.length, data.length + 1), data]),
  ])
}

const shapes: Shape[] = [true, false].flatMap((nanosecond) =>
  [true, false].map((bigEndian) => ({nanosecond, bigEndian})),
)

function failure(work: () => unknown): OverlayError {
  try {
    work()
  } catch (error) {
    if (error instanceof OverlayError) return error
    throw error
  }

  throw new Error('nothing was thrown')
}

/** `ff ff 02`: as text2pcap reads bytes. */
const octets = (hex: string): string => hex.replaceAll(/../g, '$& ')

describe('pcap reader', () => {
  for (const shape of shapes) {
    it(`reads ${shape.nanosecond ? 'nanosecond' : 'microsecond'}, ${shape.bigEndian ? 'big' : 'little'}-endian`, () => {
      const data = Buffer.from('hello')
      const reader = new PcapReader(write(shape, [[1_700_000_000, 123_456, data]]), 'x')
      expect(reader.header).to.deep.equal({...shape, snapLength: 65_535, linkType: LINKTYPE_ETHERNET})
      const [packet, ...rest] = reader
      expect(rest).to.deep.equal([])
      expect(packet.timeNs).to.equal(1_700_000_000n * 10n ** 9n + 123_456n * (shape.nanosecond ? 1n : 1000n))
      expect([packet.data.toString(), packet.originalLength]).to.deep.equal(['hello', 6])
    })
  }

  it('names the byte at which a file is cut short or contradicts itself', () => {
    const whole = write(shapes[3], [[1, 2, Buffer.alloc(60)]])
    expect(failure(() => new PcapReader(whole.subarray(0, 23), 'f')).code).to.equal('INPUT_INVALID')
    expect(failure(() => [...new PcapReader(whole.subarray(0, 30), 'f')]).message).to.include('f, byte 24')
    expect(failure(() => [...new PcapReader(whole.subarray(0, 60), 'f')]).message).to.include('ends in a packet')
    const late = Buffer.from(whole)
    late.writeUInt32LE(1_000_000, 28)
    expect(failure(() => [...new PcapReader(late, 'f')]).message).to.include('timestamp')
    const long = Buffer.from(whole)
    long.writeUInt32LE(0xffffffff, 32)
    expect(failure(() => [...new PcapReader(long, 'f')]).code).to.equal('INPUT_INVALID')
    expect(failure(() => new PcapReader(Buffer.from('0a0d0d0a'.repeat(9), 'hex'), 'f')).message).to.include('0a0d0d0a')
    expect(failure(() => PcapReader.open('/no/such.pcap')).code).to.equal('NOT_FOUND')
  })

  it('ends in packets or in INPUT_INVALID on any bytes', () => {
    const header = write(shapes[0], [])
    holds(
      property(uint8Array({maxLength: 400}), (garbage) => {
        try {
          for (const packet of new PcapReader(Buffer.concat([header, garbage]), 'x')) decodeEthernet(packet.data)
        } catch (error) {
          expect((error as OverlayError).code).to.equal('INPUT_INVALID')
        }
      }),
      {numRuns: 2000},
    )
  })

  for (const [format, nanosecond] of [
    ['pcap', false],
    ['nsecpcap', true],
  ] as const) {
    it(`reads a file of format ${format} that Wireshark's text2pcap wrote`, () => {
      const directory = mkdtempSync(join(tmpdir(), 'ov-pcap-'))
      try {
        const file = join(directory, 'frames.pcap')
        // A SYN from 10.0.0.1:4660 to 10.0.0.2:80, and something that is not TCP.
        const syn = '4500002800010000400666cd0a0000010a0000021234005000000005000000005002200000000000'
        const dump = [
          `0000 ${octets('ffffffffffff0200000000010800' + syn)}`,
          `0000 ${octets('ffffffffffff0200000000010806')}`,
        ]
        execFileSync('text2pcap', ['-q', '-F', format, '-', file], {input: dump.join('\n') + '\n', stdio: 'pipe'})
        const reader = PcapReader.open(file)
        expect(reader.header).to.include({nanosecond, bigEndian: false, linkType: LINKTYPE_ETHERNET})
        const segments = [...reader].map((packet) => decodeEthernet(packet.data))
        expect(segments[0]).to.include({
          source: '10.0.0.1',
          sourcePort: 4660,
          destinationPort: 80,
          sequence: 5,
          flags: 2,
        })
        expect(segments[1]).to.equal(null)
      } finally {
        rmSync(directory, {recursive: true})
      }
    })
  }
})
