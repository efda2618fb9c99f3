import {expect} from 'chai'
import {createHmac} from 'node:crypto'

import {HmacSha256} from '../../../src/lib/wire/hmac-sha256.js'

describe('HMAC-SHA-256', () => {
  it('is that of RFC 4231', () => {
    const cases: [string, string, string][] = [
      ['0b'.repeat(20), '4869205468657265', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
      [
        '4a656665',
        '7768617420646f2079612077616e7420666f72206e6f7468696e673f',
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      ],
      ['aa'.repeat(20), 'dd'.repeat(50), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
    ]
    for (const [key, data, expected] of cases) {
      const into = Buffer.alloc(32)
      const message = Buffer.from(data, 'hex')
      new HmacSha256(Buffer.from(key, 'hex')).write(message, 0, message.length, into, 0)
      expect(into.toString('hex')).to.equal(expected)
    }
  })

  it('takes the bytes that it is told to, and puts the MAC where it is told to', () => {
    const memory = Buffer.alloc(100, 7)
    const hmac = new HmacSha256(Buffer.alloc(32, 1))
    const expected = createHmac('sha256', Buffer.alloc(32, 1)).update(memory.subarray(10, 50)).digest()
    hmac.write(memory, 10, 40, memory, 60)
    expect(memory.subarray(60, 92)).to.deep.equal(expected)
    expect(memory.subarray(92)).to.deep.equal(Buffer.alloc(8, 7))
  })
})
