import {expect} from 'chai'
import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {gzipSync} from 'node:zlib'

import type {PcapHeader} from '../../../src/lib/capture/pcap-decoder.js'
import {OverlayError} from '../../../src/lib/errors/index.js'
import {analyse} from '../../../src/lib/replay/analysis/analyse.js'
import {StreamKeeper} from '../../../src/lib/replay/analysis/stream-keeper.js'
import type {Analysis, AnalysisOptions} from '../../../src/lib/replay/connection.js'
import {manySidedPcapng, pcapngSection, wrappedCapture, WRAPPINGS} from './crafted-captures.js'
import {exchange, ethernetBytes, ipBytes, NANOSECOND_PCAP, pcapOf, pcapOfSegments} from './crafted.js'

async function failure(work: Promise<unknown>): Promise<OverlayError> {
  try {
    await work
  } catch (error) {
    if (error instanceof OverlayError) return error
    throw error
  }

  throw new Error('nothing was thrown')
}

function expectExchange({connections, problems}: Analysis, rtts = [40.1]): void {
  expect(problems).to.deep.equal([])
  expect([...connections].map(({handshakeRttMs}) => handshakeRttMs)).to.deep.equal(rtts)
  for (const connection of connections) {
    expect(connection.turns.map(({from, bytes}) => [from, bytes])).to.deep.equal([
      ['client', 18],
      ['server', 1000],
    ])
    expect(connection.requestToFirstByteMs).to.equal(43)
    expect(connection.synOptions).to.include({mss: 1460, windowScale: 7, sackPermitted: true, timestamps: true})
    expect([connection.fromClient.segments, connection.fromServer.segments]).to.deep.equal([6, 4])
  }
}

describe('capture reader', () => {
  let directory: string

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'ov-reader-'))
  })

  after(() => rmSync(directory, {recursive: true}))

  const read = (bytes: Buffer, options: AnalysisOptions = {}): Promise<Analysis> => {
    const file = join(directory, 'capture')
    writeFileSync(file, bytes)
    return analyse([file], options)
  }

  for (const wrapping of WRAPPINGS) {
    it(`looks into ${wrapping.name}`, async () => {
      expectExchange(await read(wrappedCapture(wrapping)))
    })
  }

  it('agrees with tshark about every one of these', function () {
    this.timeout(60_000)
    // One pcapng with an interface for each; each exchange has a port of its own.
    const interfaces = WRAPPINGS.map(({linkType, wrap}, index) => ({
      description: {linkType, resolution: 9},
      segments: exchange(index * 1000, {clientPort: 30_000 + index}),
      wrap,
    }))
    const file = join(directory, 'all.pcapng')
    writeFileSync(file, pcapngSection(false, interfaces))
    const words = ['-Y', 'tcp.flags.syn==1 && tcp.flags.ack==0', '-T', 'fields', '-e', 'tcp.srcport']
    const text = execFileSync('tshark', ['-r', file, ...words], {stdio: ['ignore', 'pipe', 'ignore']}).toString()
    expect(text.trimEnd().split('\n')).to.deep.equal(WRAPPINGS.map((_, index) => String(30_000 + index)))
  })

  it('reads pcapng of several sections, byte orders, interfaces and clocks', async () => {
    const analysis = await read(manySidedPcapng())
    // The third counts in 2^-30 s, which is cut to whole ns; the last one in whole ms.
    expect([...analysis.connections].map(({handshakeRttMs}) => handshakeRttMs?.toFixed(3))).to.deep.equal([
      '40.100',
      '40.100',
      '40.100',
      '40.000',
    ])
    expect([...analysis.connections].map(({startMs}) => Math.round(startMs))).to.deep.equal([0, 1000, 2000, 3000])
    expect(analysis.sources[0]).to.deep.include({
      format: 'pcapng, 2 sections',
      linkTypes: ['ETHERNET', 'RAW', 'LINUX_SLL2', 'NULL'],
      packets: 40,
      tcpPackets: 40,
    })
  })

  for (const nanosecond of [true, false]) {
    for (const bigEndian of [true, false]) {
      it(`reads pcap of ${nanosecond ? 'nanoseconds' : 'microseconds'}, ${bigEndian ? 'big' : 'little'}-endian`, async () => {
        const header: PcapHeader = {...NANOSECOND_PCAP, nanosecond, bigEndian}
        const frames = exchange().map((crafted) => ({at: crafted.at, data: ethernetBytes(ipBytes(crafted))}))
        expectExchange(await read(pcapOf(frames, header)))
      })
    }
  }

  it('tolerates packets that were cut to 54 bytes, with what they say of their length', async () => {
    const frames = exchange().map((crafted) => {
      const data = ethernetBytes(ipBytes(crafted))
      return {at: crafted.at, data: data.subarray(0, 54), originalLength: data.length}
    })
    const {connections, problems} = await read(pcapOf(frames), {streams: new StreamKeeper([1])})
    const [connection] = connections
    expect(problems).to.deep.equal([])
    expect(connection.turns.map(({bytes}) => bytes)).to.deep.equal([18, 1000])
    expect(connection.payloads!.fromServer.missing).to.deep.equal([{from: 0, to: 1000}])
  })

  it('unzips, and keeps what came before damage', async () => {
    const bytes = pcapOfSegments(
      Array.from({length: 200}, (_, index) => exchange(index * 200, {clientPort: 2000 + index})).flat(),
    )
    const zipped = gzipSync(bytes)
    expect((await read(zipped)).connections).to.have.length(200)
    const cut = await read(zipped.subarray(0, -2000))
    expect(cut.problems.map(({problem, ended}) => [problem, ended])).to.deep.equal([
      ['the gzip file is cut short', true],
    ])
    expect(cut.connections.length).to.be.within(1, 199)
    const damaged = Buffer.from(zipped)
    damaged.fill(0xff, zipped.length - 3000, zipped.length - 2900)
    const broken = await read(damaged)
    expect(broken.problems.at(-1)!.ended).to.equal(true)
    expect(broken.connections.length).to.be.within(1, 200)
  })

  it('says what could be read of a damaged file, what not, and where', async () => {
    const whole = pcapOfSegments(exchange())
    const cut = await read(whole.subarray(0, -3))
    expect(cut.packets).to.equal(9)
    expect(cut.problems[0]).to.include({offset: whole.length - 70, problem: 'the file ends in a packet of 54 bytes'})
    const lying = Buffer.from(whole)
    lying.writeUInt32LE(0x00ffffff, 24 + 8)
    const lied = await read(lying)
    expect(lied.problems[0]).to.include({offset: 24, problem: 'a packet of 16777215 bytes', ended: true})

    const sections = manySidedPcapng()
    const block = sections.indexOf(Buffer.from('06000000', 'hex'))
    const other = Buffer.from(sections)
    other.writeUInt32LE(9, block + 8)
    const passed = await read(other)
    expect(passed.problems).to.have.length(1)
    expect(passed.problems[0]).to.include({offset: block, problem: 'a packet of interface 9 of 2', ended: false})
    expect(passed.connections).to.have.length(4)
  })

  it('refuses what is no capture, and says what it is', async () => {
    expect((await failure(read(Buffer.alloc(0)))).message).to.include('is empty')
    expect((await failure(read(Buffer.from('ab')))).message).to.include('too short')
    expect((await failure(read(Buffer.from('GET / HTTP/1.1')))).message).to.include('begins with 47455420')
    expect((await failure(read(Buffer.from('28b52ffd00', 'hex')))).message).to.include('zstd')
    expect((await failure(analyse([directory]))).message).to.include('is a directory')
    expect((await failure(analyse([join(directory, 'none')]))).code).to.equal('NOT_FOUND')
  })

  it('reads several files as one capture', async () => {
    const segments = exchange()
    const [first, second] = [join(directory, 'first'), join(directory, 'second')]
    writeFileSync(first, pcapOfSegments(segments.slice(0, 4)))
    writeFileSync(second, gzipSync(pcapOfSegments(segments.slice(4))))
    const analysis = await analyse([first, second])
    expectExchange(analysis)
    expect(analysis.sources.map(({packets}) => packets)).to.deep.equal([4, 6])
  })

  it('passes over blocks that no window holds, and stops where a file ends in one', async () => {
    const section = pcapngSection(false, [
      {description: {linkType: 1, resolution: 9}, segments: exchange(), wrap: (one) => [ethernetBytes(ipBytes(one))]},
    ])
    const large = Buffer.alloc(3_000_000)
    large.writeUInt32LE(0x0bad, 0)
    large.writeUInt32LE(large.length, 4)
    large.writeUInt32LE(large.length, large.length - 4)
    const at = section.indexOf(Buffer.from('06000000', 'hex'))
    expectExchange(await read(Buffer.concat([section.subarray(0, at), large, section.subarray(at)])))
    const ends = await read(Buffer.concat([section, large.subarray(0, 1_000_000)]))
    expect(ends.problems[0].problem).to.equal('the file ends 2000000 bytes before the end of a block')
    expect(ends.connections).to.have.length(1)
  })

  it('writes what it reads', () => {
    const file = join(directory, 'written')
    const counts = (bytes: Buffer): string => {
      writeFileSync(file, bytes)
      return execFileSync('capinfos', ['-M', '-c', '-E', file]).toString()
    }

    expect(counts(manySidedPcapng())).to.match(/Number of packets: +40/)
    expect(counts(pcapOfSegments(exchange()))).to.match(/Number of packets: +10/)
    expect(readFileSync(file).length).to.be.above(0)
  })
})
