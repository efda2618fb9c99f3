import {expect} from 'chai'
import * as fc from 'fast-check'

import {
  LOAD_HEADER,
  LONGEST_DOWNLOAD_MS,
  LONGEST_ECHO,
  LONGEST_TRANSFER,
  readLoadRequest,
  writeLoadRequest,
  type LoadRequest,
} from '../../../../src/lib/bench/load/request.js'

describe('load request', () => {
  it('says what it wants in its header', () => {
    const requests = fc.oneof(
      fc.constant<LoadRequest>({kind: 'upload', value: 0}),
      fc.record({kind: fc.constant('download' as const), value: fc.nat(LONGEST_DOWNLOAD_MS)}),
      fc.record({kind: fc.constant('fetch' as const), value: fc.integer({min: 1, max: LONGEST_TRANSFER})}),
      fc.record({
        kind: fc.constantFrom('echo' as const, 'echo-once' as const),
        value: fc.integer({min: LOAD_HEADER, max: LONGEST_ECHO}),
      }),
    )
    fc.assert(
      fc.property(requests, (request) => {
        const header = Buffer.alloc(LOAD_HEADER, 0xff)
        writeLoadRequest(header, request)
        expect(readLoadRequest(header)).to.deep.equal(request)
      }),
    )
  })

  it('other bytes are none', () => {
    for (const [hex, what] of [
      ['00000000 00000000', 'no kind'],
      ['06000000 00000064', 'an unknown kind'],
      ['05000000 00000000', 'a fetch of nothing'],
      ['05000000 3b9aca01', 'a fetch that is too long'],
      ['01000000 00000001', 'an upload with a length'],
      ['02000000 00ffffff', 'a download without end'],
      ['03000000 00000007', 'an echo shorter than its header'],
      ['04000000 00004001', 'an echo that is too long'],
      ['03000100 00000064', 'bytes that must be zero'],
      ['03000000 000000', 'a header cut short'],
    ]) {
      expect(readLoadRequest(Buffer.from(hex.replace(' ', ''), 'hex')), what).to.equal(null)
    }
  })
})
