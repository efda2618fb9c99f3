import {expect} from 'chai'
import * as fc from 'fast-check'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {pairSettings} from '../../../src/lib/config/pair-settings.js'
import {parseConfig} from '../../../src/lib/config/config-file.js'
import {EpochFile} from '../../../src/lib/pair/epoch-file.js'
import {sys} from '../../../src/lib/kernel/libc.js'
import type {Pipe} from '../../../src/lib/kernel/pipe.js'
import {PipePool} from '../../../src/lib/relay/pipe-pool.js'
import {connectedPair, type ConnectedPair} from '../kernel/connected-pair.js'
import {Outbox} from '../../../src/lib/pair/outbox.js'
import {SourceAddresses} from '../../../src/lib/pair/source-addresses.js'
import {resumption, withoutFirst, type AdoptedStream} from '../../../src/lib/relay/replicator.js'
import {addressBytes} from '../../../src/lib/wire/endpoint.js'
import {MAX_HEAD_LENGTH, readFarLeg, writeFarLeg, type FarLeg} from '../../../src/lib/wire/far-leg.js'
import {FRAME_HEADER_LENGTH, FrameHeader, FrameType, writeFrameHeader} from '../../../src/lib/wire/replication-frame.js'
import {legRecord} from '../replication/legs.js'

const bytes = (length: number, fill: number) => Buffer.alloc(length, fill)

describe('a far leg on the wire', () => {
  const far: FarLeg = {record: legRecord(1, 2), skips: [0, 40], heads: [bytes(150, 7), bytes(0, 0)]}

  it('comes back as it was', () => {
    const buffer = Buffer.alloc(3000)
    const length = writeFarLeg(buffer, 0, far)
    expect(readFarLeg(buffer.subarray(0, length))).to.deep.equal(far)
  })

  it('is refused when its length does not fit, or a head is too long', () => {
    const buffer = Buffer.alloc(3000)
    const length = writeFarLeg(buffer, 0, far)
    expect(readFarLeg(buffer.subarray(0, length - 1))).to.equal(null)
    expect(readFarLeg(buffer.subarray(0, length + 1))).to.equal(null)
    expect(readFarLeg(buffer.subarray(0, 87))).to.equal(null)
    buffer.writeUInt16BE(MAX_HEAD_LENGTH + 1, 84)
    expect(readFarLeg(buffer.subarray(0, length + MAX_HEAD_LENGTH))).to.equal(null)
  })

  it('any bytes are a far leg or none', () => {
    fc.assert(
      fc.property(fc.uint8Array({maxLength: 2500}), (input) => {
        readFarLeg(Buffer.from(input))
      }),
    )
  })
})

const stream = (base: number, pending: string): AdoptedStream => ({
  base,
  end: base + pending.length,
  ended: false,
  pending: [Buffer.from(pending.slice(0, 2)), Buffer.from(pending.slice(2))],
})
const text = (parts: readonly Buffer[]) => Buffer.concat([...parts]).toString()

describe('where a leg goes on after a takeover', () => {
  it('with the head again as long as nothing behind it is acknowledged', () => {
    const edge: FarLeg = {record: legRecord(1, 2), skips: [0, 0], heads: [Buffer.from('HEAD'), bytes(0, 0)]}
    const first = resumption(stream(0, 'request'), edge, 0)
    expect(first.from).to.equal(-4)
    expect(text(first.parts)).to.equal('HEADrequest')
    const later = resumption(stream(3, 'uest'), edge, 0)
    expect(later.from).to.equal(3)
    expect(text(later.parts)).to.equal('uest')
  })

  it('without what is not passed on', () => {
    const gateway: FarLeg = {record: legRecord(1, 2), skips: [4, 0], heads: [bytes(0, 0), bytes(0, 0)]}
    const first = resumption(stream(0, 'HEADrequest'), gateway, 0)
    expect(first.from).to.equal(4)
    expect(text(first.parts)).to.equal('request')
  })

  it('cuts the first bytes off parts of any size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({maxLength: 5}), {maxLength: 5}),
        fc.integer({min: -3, max: 30}),
        (parts, count) => {
          const whole = parts.join('')
          const rest = withoutFirst(
            parts.map((part) => Buffer.from(part, 'latin1')),
            count,
          )
          expect(Buffer.concat(rest).toString('latin1')).to.equal(
            Buffer.from(whole, 'latin1').subarray(Math.max(0, count)).toString('latin1'),
          )
        },
      ),
    )
  })
})

describe('outbox of a replication link', () => {
  it('refuses what goes beyond its limit, and only that', () => {
    const outbox = new Outbox(2_000_000, null)
    const header = new FrameHeader()
    header.type = FrameType.DATA
    header.length = 600_000
    const payload = bytes(600_000, 1)
    let taken = 0
    while (outbox.append(header, payload, 0)) taken++
    expect(taken).to.equal(3)
    expect(outbox.length).to.equal(3 * 600_032)
    outbox.clear()
    expect(outbox.append(header, payload, 0)).to.equal(true)
  })

  it('sends frames in their order, whether their payload lies in memory, was read into it, or waits in a pipe', async () => {
    const pool = new PipePool()
    const link = await connectedPair()
    const source = await connectedPair()
    const kinds = fc.constantFrom('none', 'memory', 'placed', 'piped')
    const frames = fc.array(fc.tuple(kinds, fc.integer({min: 1, max: 40_000}), fc.boolean()), {maxLength: 30})
    await fc.assert(
      fc.asyncProperty(frames, async (list) => {
        const outbox = new Outbox(8_000_000, pool)
        const expected: Buffer[] = []
        for (const [index, [kind, length, flush]] of list.entries()) {
          const header = new FrameHeader()
          header.type = kind === 'none' ? FrameType.HEARTBEAT : FrameType.DATA
          header.length = kind === 'none' ? 0 : length
          header.flow = index
          const payload = Buffer.alloc(header.length, index + 1)
          const head = Buffer.alloc(FRAME_HEADER_LENGTH)
          writeFrameHeader(head, 0, header)
          expected.push(head, payload)
          if (kind === 'placed') {
            const {bytes: memory} = outbox.place(length)!
            payload.copy(memory, outbox.placeAt)
            expect(outbox.append(header, memory, outbox.placeAt)).to.equal(true)
          } else if (kind === 'piped') {
            expect(outbox.append(header, await piped(source, pool.take()!, payload), 0)).to.equal(true)
          } else {
            expect(outbox.append(header, kind === 'none' ? null : payload, 0)).to.equal(true)
          }

          if (flush) outbox.flush(link.fd)
        }

        while (outbox.flush(link.fd) < 0) await new Promise((resolve) => setTimeout(resolve, 1))
        const all = Buffer.concat(expected)
        expect((await link.read(all.length)).equals(all)).to.equal(true)
        expect([outbox.length, pool.lent]).to.deep.equal([0, 0])
      }),
      {numRuns: 20},
    )
    const left = new Outbox(8_000_000, pool)
    const header = new FrameHeader()
    header.type = FrameType.DATA
    header.length = 100
    left.append(header, await piped(source, pool.take()!, Buffer.alloc(100)), 0)
    expect([left.allPiped, pool.lent]).to.deep.equal([true, 1])
    left.clear()
    expect([left.length, pool.lent]).to.deep.equal([0, 0])
    for (const {node, fd} of [link, source]) {
      node.destroy()
      sys.close(fd)
    }
  })
})

/** A pipe with these bytes in it. */
async function piped(source: ConnectedPair, pipe: Pipe, payload: Buffer): Promise<Pipe> {
  source.node.write(payload)
  while (pipe.length < payload.length) {
    if (pipe.fill(source.fd, payload.length - pipe.length) < 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }

  return pipe
}

describe('virtual address that leads to a destination', () => {
  const addresses = new SourceAddresses([
    {address: '127.0.0.77', prefix: 8, peer: '127.0.0.78'},
    {address: '10.250.0.10', prefix: 20, peer: '10.250.0.11'},
    {address: 'fd77:9::10', prefix: 64, peer: 'fd77:9::11'},
  ])

  it('is the one of its network', () => {
    expect(addresses.towards(addressBytes('10.250.15.9'))).to.deep.equal(addressBytes('10.250.0.10'))
    expect(addresses.towards(addressBytes('fd77:9::abcd'))).to.deep.equal(addressBytes('fd77:9::10'))
    expect(addresses.towards(addressBytes('127.1.2.3'))).to.deep.equal(addressBytes('127.0.0.77'))
  })

  it('is none where no network fits', () => {
    expect(addresses.towards(addressBytes('fd77:a::1'))).to.equal(null)
  })
})

describe('epoch file', () => {
  it('keeps what another reads', () => {
    const directory = mkdtempSync(join(tmpdir(), 'overlay-epoch-'))
    try {
      const path = join(directory, 'epoch')
      const file = new EpochFile(path)
      expect([file.epoch, file.alone]).to.deep.equal([0, false])
      file.epoch = 41
      file.alone = true
      const other = new EpochFile(path)
      expect([other.epoch, other.alone]).to.deep.equal([41, true])
    } finally {
      rmSync(directory, {recursive: true})
    }
  })
})

const section = (change = '') =>
  parseConfig(
    [
      'edge:',
      '  pair:',
      '    member: a',
      '    listen: "10.0.0.1:7900"',
      '    peer: "10.0.0.2:7900"',
      '    virtualAddresses: [{address: 10.1.0.10/24, peer: 10.1.0.12}]',
      change,
    ].join('\n'),
  )

describe('a pair in the configuration file', () => {
  it('has defaults', () => {
    const settings = pairSettings(section().config!.edge!.pair!)
    expect(settings.virtualAddresses).to.deep.equal([{address: '10.1.0.10', prefix: 24, peer: '10.1.0.12'}])
    expect(settings.settings).to.include({leaseMs: 250, takeoverMs: 400, heartbeatMs: 10, onBackupLoss: 'solo'})
  })

  for (const [what, change, message] of [
    ['a lease as long as the takeover', '    lease: 400ms', /takeover: 400 ms is not 50 ms more/],
    ['a lease of few heartbeats', '    heartbeat: 100ms', /less than five heartbeats/],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(
        section(change)
          .problems.map((problem) => problem.message)
          .join('; '),
      ).to.match(message)
    })
  }

  it('names the key and the line of what is wrong', () => {
    const {problems} = section('    membre: b')
    expect(problems[0]).to.include({key: 'edge.pair.membre', line: 7, suggestion: 'member'})
    const address = parseConfig('edge:\n  pair:\n    virtualAddresses: [{address: 10.1.0.10, peer: x}]\n')
    expect(address.problems.map(({key}) => key)).to.include('edge.pair.virtualAddresses.0.address')
  })
})
