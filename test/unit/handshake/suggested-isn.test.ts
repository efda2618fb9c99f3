import {expect} from 'chai'
import fc from 'fast-check'

import {siphash24} from '../../../src/lib/handshake/siphash.js'
import {
  decodeOptions,
  dummyTsval,
  encodeOptions,
  flowHash,
  handshakeKey,
  MSS_TABLE,
  suggestedIsn,
  timeBucket,
} from '../../../src/lib/handshake/suggested-isn.js'
import {parseKeys} from '../../../src/lib/keys/key-file.js'

describe('siphash24', () => {
  // The reference implementation's vectors: key 00..0f, messages of 0, 1, 2 … bytes 00, 01, 02 …
  const key = Uint8Array.from({length: 16}, (_, i) => i)
  const vectors: [number, bigint][] = [
    [0, 0x72_6f_db_47_dd_0e_0e_31n],
    [1, 0x74_f8_39_c5_93_dc_67_fdn],
    [7, 0xab_02_00_f5_8b_01_d1_37n],
    [8, 0x93_f5_f5_79_9a_93_24_62n],
    [15, 0xa1_29_ca_61_49_be_45_e5n],
  ]
  for (const [length, tag] of vectors) {
    it(`agrees with the reference on ${length} bytes`, () => {
      expect(
        siphash24(
          key,
          Uint8Array.from({length}, (_, i) => i),
        ),
      ).to.equal(tag)
    })
  }
})

describe('suggested number', () => {
  it('is that of the recorded handshake in docs/PROTOCOL.md', () => {
    const key = handshakeKey(parseKeys(`1 ${'00'.repeat(31)}01`, 'example').current)
    expect(key.toString('hex')).to.equal('9cacb768f256ab87122c6de8cae9a8e5')
    const edge = {address: '10.77.2.11', port: 50_940}
    const gateway = {address: '10.77.2.21', port: 7000}
    const options = encodeOptions({windowScale: 10, mss: 1460, sackPermitted: true})
    expect(options).to.equal(0x1_ea)
    expect(0x00_36_99_ea & 1023).to.equal(options)
    const hash = flowHash(key, edge, gateway, options, 28_052_355)
    expect(hash).to.equal(0xb5_d3_f5_31)
    expect(suggestedIsn(hash, 0xa1_c9_b9_75)).to.equal(0x57_9d_ae_a6)
  })

  it('wraps at 2^32', () => {
    expect(suggestedIsn(0xff_ff_ff_ff, 2)).to.equal(1)
  })

  it('changes with the bucket every 64 seconds', () => {
    expect(timeBucket(64 * 5 + 63)).to.equal(5)
    expect(timeBucket(64 * 6)).to.equal(6)
  })
})

describe('option bits', () => {
  it('come back as they went, the MSS rounded down', () => {
    fc.assert(
      fc.property(
        fc.integer({min: 0, max: 14}),
        fc.integer({min: 536, max: 65_535}),
        fc.boolean(),
        (windowScale, mss, sackPermitted) => {
          const back = decodeOptions(encodeOptions({windowScale, mss, sackPermitted}))!
          expect(back.windowScale).to.equal(windowScale)
          expect(back.sackPermitted).to.equal(sackPermitted)
          expect(back.mss).to.equal(Math.max(...MSS_TABLE.filter((entry) => entry <= mss)))
        },
      ),
    )
  })

  it('of another version are not read', () => {
    expect(decodeOptions(0x2_ea)).to.equal(null)
    expect(decodeOptions(0)).to.equal(null)
  })

  it('survive in the dummy timestamp, which is never ahead of the clock', () => {
    fc.assert(
      fc.property(fc.integer({min: 2048, max: 0xff_ff_ff_ff}), fc.integer({min: 0, max: 1023}), (now, options) => {
        const tsval = dummyTsval(now, options)
        expect(tsval & 1023).to.equal(options)
        expect(now - tsval).to.be.within(0, 1023 + 1024)
      }),
    )
  })
})
