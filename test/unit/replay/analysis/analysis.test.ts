import {expect} from 'chai'
import {array, assert as holds, constantFrom, integer, property, record, sample} from 'fast-check'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {analyse} from '../../../../src/lib/replay/analysis/analyse.js'
import {FlowTable} from '../../../../src/lib/replay/analysis/flow-table.js'
import {StreamKeeper} from '../../../../src/lib/replay/analysis/stream-keeper.js'
import {StreamStore} from '../../../../src/lib/replay/analysis/stream-store.js'
import {vantageOf} from '../../../../src/lib/replay/analysis/vantage.js'
import {MAX_TURNS, type AnalysisOptions, type ReplayConnection} from '../../../../src/lib/replay/connection.js'
import {exchange, LINUX_OPTIONS, pcapOfSegments, type Crafted} from '../../capture/crafted.js'

let directory: string

async function connectionsOf(segments: Crafted[], options: AnalysisOptions = {}): Promise<ReplayConnection[]> {
  const file = join(directory, 'capture')
  writeFileSync(file, pcapOfSegments(segments))
  return [...(await analyse([file], options)).connections]
}

const bytes = (text: string): Buffer => Buffer.from(text)

describe('replay analysis', () => {
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'ov-analysis-'))
  })

  after(() => rmSync(directory, {recursive: true}))

  it('tells turns, think times without the way, and the request to the first byte', async () => {
    const [connection] = await connectionsOf(exchange())
    expect(connection).to.include({handshakeRttMs: 40.1, serverRttMs: 40, clientRttMs: 0.1, vantage: 'near-client'})
    expect(connection.turns).to.deep.equal([
      {from: 'client', bytes: 18, startMs: 41.1, gapMs: 1, thinkMs: 1, durationMs: 0},
      {from: 'server', bytes: 1000, startMs: 84.1, gapMs: 43, thinkMs: 3, durationMs: 0},
    ])
    expect(connection.requestToFirstByteMs).to.equal(43)
    expect(connection.completeness).to.deep.equal(['syn', 'syn-ack', 'ack', 'data', 'fin'])
  })

  it('counts every byte once, whatever order and however often it comes', async () => {
    const [connection] = await connectionsOf(
      [
        ...exchange().slice(0, 3),
        {at: 50, flags: 'A', seq: 4, ack: 1, payload: bytes('def')},
        {at: 51, flags: 'A', seq: 1, ack: 1, payload: bytes('abc')},
        {at: 52, flags: 'A', seq: 1, ack: 1, payload: bytes('abcdefgh')},
        {at: 53, flags: 'A', seq: 12, ack: 1, payload: bytes('lm')},
      ],
      {streams: new StreamKeeper([1])},
    )
    expect(connection.turns.map((turn) => turn.bytes)).to.deep.equal([13])
    expect(connection.fromClient).to.deep.equal({segments: 6, payloadBytes: 16, streamBytes: 13})
    const {bytes: stream, missing} = connection.payloads!.fromClient
    expect(stream.toString()).to.equal('abcdefgh\0\0\0lm')
    expect(missing).to.deep.equal([{from: 8, to: 11}])
  })

  it('keeps a bounded number of turns, and all their bytes', async () => {
    const segments = exchange().slice(0, 3)
    for (let turn = 0; turn < 2 * MAX_TURNS; turn++) {
      const from = turn % 2 === 0 ? ('client' as const) : ('server' as const)
      const seq = 1 + Math.floor(turn / 2)
      segments.push({at: 50 + turn, from, flags: 'A', seq, ack: 1, payload: bytes('x')})
    }

    const [{turns, turnsMerged, fromServer}] = await connectionsOf(segments)
    expect([turns.length, turnsMerged, fromServer.streamBytes]).to.deep.equal([MAX_TURNS, true, MAX_TURNS])
    expect(turns.reduce((sum, turn) => sum + turn.bytes, 0)).to.equal(2 * MAX_TURNS)
  })

  it('says who is excluded and why', async () => {
    const connections = await connectionsOf([
      ...exchange().slice(5),
      ...exchange(1000, {clientPort: 50_001}).slice(1),
      {at: 5000, flags: 'S', clientPort: 50_002, options: LINUX_OPTIONS},
    ])
    expect(connections.map(({excluded, handshakeRttMs, client}) => [excluded, handshakeRttMs, client])).to.deep.equal([
      ['mid-stream', null, '10.1.0.1:50000'],
      ['syn-not-captured', null, '10.1.0.1:50001'],
      [undefined, null, '10.1.0.1:50002'],
    ])
  })

  it('tells where the capture stood', () => {
    expect(vantageOf(40, 0.1).vantage).to.equal('near-client')
    expect(vantageOf(0.1, 40).vantage).to.equal('near-server')
    expect(vantageOf(10, 30).vantage).to.equal('between')
    expect(vantageOf(null, 30).vantage).to.equal('unknown')
    expect(vantageOf(-5, 30).vantage).to.equal('unknown')
  })

  it('finds flows by addresses and ports in both directions, whatever they are and whoever was taken out', () => {
    const part = integer({min: 0, max: 3})
    const step = record({source: part, destination: part, from: part, to: part, removes: integer({min: 0, max: 2})})
    holds(
      property(array(step, {maxLength: 300}), (steps) => {
        const table = new FlowTable(7)
        const known = new Map<string, number>()
        for (const {source, destination, from, to, removes} of steps) {
          const header = Buffer.from([10, 0, 0, source, 10, 0, 0, destination, 0, from, 0, to])
          const found = table.find(header, false, 0, 4, 8)
          const key = [`${source} ${from}`, `${destination} ${to}`].sort().join(', ')
          expect(found).to.equal(known.get(key) ?? -1)
          if (found === -1) {
            known.set(key, table.insert())
            expect(new Set(known.values()).size).to.equal(known.size)
            expect(Math.max(...known.values())).to.be.below(136) // as many as there are pairs of 16 endpoints
          } else if (removes === 0) {
            table.remove(found)
            known.delete(key)
          }
        }
      }),
    )
  })

  it('finds who is left when half of many flows are taken out', () => {
    const table = new FlowTable(3)
    const header = Buffer.alloc(12)
    const find = (flow: number): number => {
      header.writeUInt32BE(0x0a000000 + flow, 0)
      return table.find(header, false, 0, 4, 8)
    }

    for (let flow = 0; flow < 4000; flow++) {
      find(flow)
      table.insert()
    }

    for (let flow = 0; flow < 4000; flow += 2) table.remove(flow)
    const wrong = Array.from({length: 4000}, (_, flow) => flow).filter(
      (flow) => find(flow) !== (flow % 2 === 0 ? -1 : flow),
    )
    expect(wrong).to.deep.equal([])
  })

  it('finds the same whether silent connections are put away or not', async () => {
    const segment = record({
      port: integer({min: 1, max: 4}),
      from: constantFrom('client' as const, 'server' as const),
      flags: constantFrom('S', 'SA', 'A', 'A', 'A', 'FA', 'R'),
      seq: integer({min: 0, max: 3}),
      ack: integer({min: 0, max: 3}),
      length: integer({min: 0, max: 3}),
    })
    for (const segments of sample(array(segment, {minLength: 20, maxLength: 60}), {numRuns: 30, seed: 5})) {
      const crafted = segments.map(({port, length, ...rest}, at) => ({
        ...rest,
        at,
        clientPort: port,
        payload: Buffer.alloc(length, 65),
      }))
      const kept = await connectionsOf(crafted)
      for (const ageSegments of [1, 2, 7]) expect(await connectionsOf(crafted, {ageSegments})).to.deep.equal(kept)
    }
  })

  it('finds 20,000 flows again after the table has grown', () => {
    const table = new FlowTable(1)
    const header = Buffer.alloc(12)
    const place = (flow: number): number => {
      header.writeUInt32BE(0x0a000000 + flow, 0)
      return table.find(header, false, 0, 4, 8)
    }

    for (let flow = 0; flow < 20_000; flow++) {
      expect(place(flow)).to.equal(-1)
      table.insert()
    }

    for (let flow = 0; flow < 20_000; flow++) expect(place(flow)).to.equal(flow)
  })

  it('puts a stream together as a plain array would', () => {
    const piece = record({
      offset: integer({min: -10, max: 60}),
      length: integer({min: 0, max: 20}),
      kept: integer({min: 0, max: 20}),
    })
    holds(
      property(array(piece, {maxLength: 30}), (pieces) => {
        const most = 50
        const store = new StreamStore(most)
        const plain: (number | undefined)[] = []
        let length = 0
        for (const [index, {offset, length: size, kept}] of pieces.entries()) {
          const captured = Math.min(kept, size)
          const data = Buffer.alloc(captured + 3, index + 1)
          store.add(offset, size, data, 3, captured)
          if (size > 0 && offset + size > 0 && offset < most) length = Math.max(length, Math.min(most, offset + size))
          for (let at = Math.max(0, offset); at < Math.min(offset + captured, most); at++) plain[at] ??= index + 1
        }

        const {bytes: stream, missing} = store.result()
        expect(stream.length).to.equal(length)
        const isMissing = (at: number): boolean => missing.some(({from, to}) => at >= from && at < to)
        for (let at = 0; at < length; at++)
          expect([stream[at], isMissing(at)]).to.deep.equal([plain[at] ?? 0, plain[at] === undefined])
      }),
    )
  })
})
