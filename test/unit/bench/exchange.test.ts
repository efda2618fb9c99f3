import {expect} from 'chai'
import * as fc from 'fast-check'

import {
  LONGEST,
  REQUEST_HEADER,
  RESPONSE_HEADER,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../../src/lib/bench/exchange.js'

describe('measuring exchange', () => {
  it('carries lengths, the time and a checksum there and back', () => {
    const lengths = fc.integer({min: REQUEST_HEADER, max: 70_000})
    const responses = fc.integer({min: RESPONSE_HEADER, max: 2000})
    fc.assert(
      fc.property(lengths, responses, fc.bigInt({min: 0n, max: 2n ** 63n}), (length, responseLength, ns) => {
        const request = encodeRequest(length, responseLength, 7)
        expect(request).to.have.lengthOf(length)
        expect(decodeRequestHeader(request.subarray(0, REQUEST_HEADER))).to.deep.equal({length, responseLength})
        const response = encodeResponse(request, responseLength, ns)
        expect(response).to.have.lengthOf(responseLength)
        expect(decodeResponse(response, request)).to.equal(ns)
      }),
      {numRuns: 50},
    )
  })

  it('notices a request that arrived otherwise than it was sent', () => {
    const request = encodeRequest(1000, 100, 1)
    const damaged = Buffer.from(request)
    damaged[999] ^= 1
    expect(decodeResponse(encodeResponse(damaged, 100, 1n), request)).to.equal(null)
    expect(decodeResponse(Buffer.alloc(RESPONSE_HEADER - 1), request)).to.equal(null)
  })

  for (const [what, length, responseLength] of [
    ['a request shorter than its header', REQUEST_HEADER - 1, 100],
    ['a request longer than it may be', LONGEST + 1, 100],
    ['a response without room for the time', 100, RESPONSE_HEADER - 1],
    ['a response longer than it may be', 100, LONGEST + 1],
  ] as const) {
    it(`refuses ${what}`, () => {
      const header = Buffer.alloc(REQUEST_HEADER)
      header.writeUInt32BE(length, 0)
      header.writeUInt32BE(responseLength, 4)
      expect(decodeRequestHeader(header)).to.equal(null)
    })
  }

  it('refuses a header cut short', () => {
    expect(decodeRequestHeader(Buffer.alloc(REQUEST_HEADER - 1))).to.equal(null)
  })
})
