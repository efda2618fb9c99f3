import {expect} from 'chai'
import fc from 'fast-check'

import {readConnection, readKey, writeConnection} from '../../../../src/lib/replay/analysis/connection-record.js'
import {IPV4_MARK} from '../../../../src/lib/replay/analysis/flow-key.js'
import {RecordStore} from '../../../../src/lib/replay/analysis/record-store.js'
import {TrackedConnection, type Direction} from '../../../../src/lib/replay/analysis/tracked-connection.js'
import {ScratchSpace} from '../../../../src/lib/replay/spill/scratch-space.js'

const time = fc.double({noDefaultInfinity: true})
const count = fc.integer({min: 0, max: 2 ** 32 - 1})
const sequence = fc.integer({min: -(2 ** 31), max: 2 ** 31 - 1})

const options = fc.option(
  fc.record({
    mss: fc.option(fc.integer({min: 0, max: 65_535})),
    windowScale: fc.option(fc.integer({min: 0, max: 255})),
    sackPermitted: fc.boolean(),
    timestamps: fc.boolean(),
    fastOpen: fc.boolean(),
  }),
)
const direction: fc.Arbitrary<Omit<Direction, 'reset'>> = fc.record({
  segments: fc.maxSafeNat(),
  payloadBytes: fc.maxSafeNat(),
  streamBytes: fc.maxSafeNat(),
  syns: count,
  synAcks: count,
  options,
  based: fc.boolean(),
  base: sequence,
  next: sequence,
})

const tracked = fc
  .record({
    place: fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.maxSafeInteger(), fc.integer({min: 0, max: 999_999_999})),
    directions: fc.tuple(direction, direction),
    own: fc.record({
      endMs: time,
      client: fc.constantFrom(-1 as const, 0 as const, 1 as const),
      simultaneous: fc.boolean(),
      seen: fc.integer({min: 0, max: 63}),
      synMs: time,
      lastSynAckMs: time,
      serverRttMs: time,
      clientRttMs: time,
      handshakeRttMs: time,
      ackMs: time,
      refused: fc.boolean(),
      turns: fc.array(time, {maxLength: 600}).map((values) => values.slice(0, values.length - (values.length % 3))),
      turnsMerged: fc.boolean(),
    }),
  })
  .map(({place, directions, own}) => {
    const connection = Object.assign(new TrackedConnection().begin(...place), own)
    for (const [index, values] of directions.entries()) Object.assign(connection.directions[index], values)
    return connection
  })

const ipv4Key = fc
  .tuple(sequence, sequence, sequence)
  .map(([lower, higher, ports]) => Int32Array.of(IPV4_MARK, 0, 0, lower, 0, 0, 0, higher, ports))
const anyKey = fc.array(sequence, {minLength: 9, maxLength: 9}).map((words) => Int32Array.from(words))
/** Hostile: IPv6 that begins as keys of IPv4 do. */
const markedKey = anyKey.map((words) => Int32Array.of(IPV4_MARK, ...words.subarray(1)))

describe('a connection as a record', () => {
  it('comes back as it was put away, also in an object that was another one', () => {
    fc.assert(
      fc.property(tracked, tracked, fc.oneof(ipv4Key, anyKey, markedKey), (connection, other, key) => {
        const record = writeConnection(connection, key)
        const found = Int32Array.from({length: 9}, () => 1)
        readKey(record, found)
        expect(found).to.deep.equal(key)
        const {index, flow} = connection
        expect(readConnection(record, index, flow)).to.deep.equal(connection)
        expect(readConnection(record, index, flow, other)).to.deep.equal(connection)
      }),
    )
  })
})

describe('the store of records', () => {
  const lengths = fc.array(fc.tuple(fc.integer({min: 0, max: 500}), fc.integer({min: 1, max: 24_000})), {
    minLength: 300,
    maxLength: 600,
  })

  it('has the last record of each number, from memory and from its file', () => {
    let inFile = 0
    fc.assert(
      fc.property(lengths, (puts) => {
        const space = new ScratchSpace()
        const store = new RecordStore(space, 4)
        const last = new Map<number, Buffer>()
        try {
          for (const [nth, [number, length]] of puts.entries()) {
            const record = Buffer.alloc(length, nth % 251)
            last.set(number, record)
            store.put(number, record)
          }

          inFile += store.bytesInFile
          for (let number = 0; number <= 501; number++) {
            const record = store.get(number)
            expect(record === null ? undefined : Buffer.compare(record, last.get(number)!), `${number}`).to.equal(
              last.has(number) ? 0 : undefined,
            )
          }
        } finally {
          space.close()
        }
      }),
      {numRuns: 20},
    )
    expect(inFile).to.be.above(0)
  })
})
