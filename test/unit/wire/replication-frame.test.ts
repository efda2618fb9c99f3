import {expect} from 'chai'
import fc from 'fast-check'

import {readLegRecord, writeLegRecord, LEG_RECORD_LENGTH} from '../../../src/lib/wire/leg-record.js'
import {
  FLOW_LENGTH,
  FRAME_HEADER_LENGTH,
  FrameHeader,
  FrameParser,
  FrameType,
  MAX_PAYLOAD,
  ReplicationProtocolError,
  writeFrameHeader,
} from '../../../src/lib/wire/replication-frame.js'
import {legRecord} from '../replication/legs.js'

function frame(fields: Partial<FrameHeader>, payload: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_LENGTH + payload.length)
  writeFrameHeader(bytes, 0, Object.assign(new FrameHeader(), {length: payload.length}, fields))
  payload.copy(bytes, FRAME_HEADER_LENGTH)
  return bytes
}

function parse(bytes: Buffer, cuts: readonly number[] = []): string[] {
  const seen: string[] = []
  const parser = new FrameParser({
    frame: ({type, flow, offset}, payload) => seen.push(`${type} ${flow} ${offset} ${payload.length}`),
    data({flow, offset, length}, from, start, end) {
      expect(end - start).to.equal(length)
      for (let at = start; at < end; at++) seen.push(`data ${flow} ${offset + at - start} ${from[at]}`)
    },
  })
  parser.setup = false
  let at = 0
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    parser.push(bytes, at, Math.min(cut, bytes.length))
    at = Math.min(cut, bytes.length)
  }

  parser.push(bytes, at)
  return seen
}

const STREAM = Buffer.concat([
  frame({type: FrameType.FLOW, flow: 7, offset: 2 ** 53 - 1}, Buffer.alloc(FLOW_LENGTH)),
  frame({type: FrameType.DATA, flow: 7, offset: 2 ** 40}, Buffer.from('abcdefgh')),
  frame({type: FrameType.HEARTBEAT, offset: 5}),
  frame({type: FrameType.DATA, direction: 1, flow: 8}, Buffer.from('x')),
])

describe('replication frames', () => {
  it('come out the same however the stream is cut', () => {
    const whole = parse(STREAM)
    expect(whole).to.have.length(1 + 8 + 1 + 1)
    expect(whole[0]).to.equal(`4 7 ${2 ** 53 - 1} ${FLOW_LENGTH}`)
    fc.assert(
      fc.property(fc.array(fc.nat(STREAM.length)), (cuts) => {
        expect(parse(STREAM, cuts)).to.deep.equal(whole)
      }),
    )
  })

  const bad: [string, Buffer, RegExp][] = [
    ['an unknown type', frame({type: 99 as FrameType}), /type 99/],
    ['a third direction', frame({direction: 2 as 0}), /direction 2/],
    ['a payload where none belongs', frame({type: FrameType.END, length: 1}), /1 bytes/],
    ['DATA without bytes', frame({type: FrameType.DATA, length: 0}), /0 bytes/],
    ['DATA over 1 MiB', frame({type: FrameType.DATA, length: MAX_PAYLOAD + 1}), /bytes/],
    ['an offset of 2^53', frame({offset: 2 ** 53}), /2\^53/],
    ['DATA that ends beyond 2^53', frame({type: FrameType.DATA, length: 1, offset: 2 ** 53 - 1}), /2\^53/],
    ['HELLO after the set-up', frame({type: FrameType.HELLO, length: 32}), /after/],
  ]
  for (const [what, bytes, message] of bad) {
    it(`refuses ${what}`, () => {
      expect(() => parse(bytes)).to.throw(ReplicationProtocolError, message)
    })
  }

  it('refuses other frames than those of the set-up before it is done', () => {
    const parser = new FrameParser({frame() {}, data() {}})
    expect(() => parser.push(frame({type: FrameType.HEARTBEAT}))).to.throw(ReplicationProtocolError, /before/)
    expect(() => parser.push(frame({}))).to.throw(ReplicationProtocolError, /broken already/)
  })

  it('ends in frames or in ReplicationProtocolError on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({maxLength: 200}), (bytes) => {
        try {
          parse(Buffer.from(bytes))
        } catch (error) {
          expect(error).to.be.instanceOf(ReplicationProtocolError)
        }
      }),
    )
  })

  for (const family of [4, 6] as const) {
    it(`a leg record of IPv${family} comes back as it was`, () => {
      const bytes = Buffer.alloc(LEG_RECORD_LENGTH)
      writeLegRecord(bytes, 0, legRecord(443, 50_000, family))
      expect(bytes[0]).to.equal(family)
      expect(readLegRecord(bytes, 0)).to.deep.equal(legRecord(443, 50_000, family))
      bytes[0] = 10 - family
      expect(readLegRecord(bytes, 0)).to.equal(null)
    })
  }
})
