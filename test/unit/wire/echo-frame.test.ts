import {expect} from 'chai'
import {array, assert as holds, integer, property, tuple, uint8Array} from 'fast-check'

import {
  EchoDirection,
  EchoType,
  GREETING_LENGTH,
  MAX_ECHO_BODY,
  readGreeting,
  REQUEST_LENGTH,
  requestKeyId,
  verifyRequest,
  writeGreeting,
  writeRequest,
  type EchoFrame,
} from '../../../src/lib/wire/echo-frame.js'
import {HmacSha256} from '../../../src/lib/wire/hmac-sha256.js'

const hmac = new HmacSha256(Buffer.alloc(32, 1))
const other = new HmacSha256(Buffer.alloc(32, 2))
const challenge = Buffer.alloc(16, 3)
const random = Buffer.alloc(16, 4)
const session = Buffer.concat([challenge, random])
const frames = array(tuple(integer({min: 0, max: 255}), uint8Array({maxLength: MAX_ECHO_BODY})), {maxLength: 8})

const write = (from: 'gateway' | 'probe', list: [number, Uint8Array][], key = hmac, of = session): Buffer => {
  const direction = new EchoDirection(from, key, of)
  return Buffer.concat(list.map(([type, body]) => direction.write(type, Buffer.from(body))))
}

describe('packet echo: greeting and request', () => {
  it('are read as they were written', () => {
    const greeting = writeGreeting(challenge)
    expect(greeting.length).to.equal(GREETING_LENGTH)
    expect(readGreeting(greeting)).to.deep.equal(challenge)
    const request = writeRequest({id: 0x0102, hmac}, challenge, random)
    expect(request.length).to.equal(REQUEST_LENGTH)
    expect(requestKeyId(request)).to.equal(0x0102)
    expect(verifyRequest(request, hmac, challenge)).to.deep.equal(random)
  })

  it('of another key, for another challenge or with any bit changed: refused', () => {
    const request = writeRequest({id: 1, hmac}, challenge, random)
    expect(verifyRequest(request, other, challenge)).to.equal(null)
    expect(verifyRequest(request, hmac, Buffer.alloc(16))).to.equal(null)
    holds(
      property(integer({min: 32, max: REQUEST_LENGTH * 8 - 1}), (bit) => {
        const changed = Buffer.from(request)
        changed[bit >> 3] ^= 1 << (bit & 7)
        expect(verifyRequest(changed, hmac, challenge)).to.equal(null)
      }),
    )
  })

  it('any bytes: null or read, never an error', () => {
    expect(readGreeting(Buffer.alloc(GREETING_LENGTH))).to.equal(null)
    expect(readGreeting(Buffer.from('OVE1'))).to.equal(null)
    holds(
      property(uint8Array({maxLength: 80}), (bytes) => {
        const id = requestKeyId(Buffer.from(bytes))
        if (id !== null) expect(bytes.length).to.equal(REQUEST_LENGTH)
        readGreeting(Buffer.from(bytes))
      }),
    )
  })
})

describe('packet echo: frames', () => {
  it('are read as they were written, in whatever pieces they come', () => {
    holds(
      property(frames, array(integer({min: 1, max: 60}), {minLength: 1}), (list, cuts) => {
        const bytes = write('gateway', list)
        const reader = new EchoDirection('gateway', hmac, session)
        const read: EchoFrame[] = []
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const end = at + cuts[cut % cuts.length]
          read.push(...reader.read(bytes.subarray(at, end))!)
          at = end
        }

        expect(read.map(({type, body}) => [type, [...body]])).to.deep.equal(
          list.map(([type, body]) => [type, [...body]]),
        )
      }),
    )
  })

  it('of another key, session or direction, twice, or out of order: refused', () => {
    const read = (bytes: Buffer): EchoFrame[] | null => new EchoDirection('gateway', hmac, session).read(bytes)
    const list: [number, Uint8Array][] = [
      [EchoType.Pong, Buffer.alloc(4)],
      [EchoType.Withheld, Buffer.alloc(4)],
    ]
    const good = write('gateway', list)
    expect(read(good)).to.have.lengthOf(2)
    expect(read(write('gateway', list, other))).to.equal(null)
    expect(read(write('gateway', list, hmac, Buffer.alloc(32)))).to.equal(null)
    expect(read(write('probe', list))).to.equal(null)
    const half = good.length / 2
    expect(read(Buffer.concat([good.subarray(0, half), good.subarray(0, half)]))).to.equal(null)
    expect(read(Buffer.concat([good.subarray(half), good.subarray(0, half)]))).to.equal(null)
  })

  it('with any bit changed are refused, or wait for more than there is', () => {
    const bytes = write('gateway', [[EchoType.Pong, Buffer.from('ping')]])
    holds(
      property(integer({min: 0, max: bytes.length * 8 - 1}), (bit) => {
        const changed = Buffer.from(bytes)
        changed[bit >> 3] ^= 1 << (bit & 7)
        const read = new EchoDirection('gateway', hmac, session).read(changed)
        // A length that grew within its bound waits; nothing of it is taken.
        if (read !== null) expect(read).to.deep.equal([])
      }),
    )
  })

  it('that are too long are refused before they are there', () => {
    const head = Buffer.from([0, MAX_ECHO_BODY + 1, 2])
    expect(new EchoDirection('gateway', hmac, session).read(head)).to.equal(null)
  })
})
