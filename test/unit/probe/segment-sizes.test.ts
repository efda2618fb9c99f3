import {expect} from 'chai'
import {assert as holds, asyncProperty, boolean, integer} from 'fast-check'

import {largestPacket, sizeConditions, type SizeAnswer} from '../../../src/lib/probe/segment-sizes.js'

/** A path that passes packets of up to so many bytes, and says so where `says` does. */
const path = (mtu: number, says: number | null) => {
  const asked: number[] = []
  const ask = async (bytes: number): Promise<SizeAnswer> => {
    asked.push(bytes)
    const passed = bytes <= mtu
    return {passed, refusedBy: passed || says === null ? null : {from: '10.0.0.2', mtu: says}}
  }

  return {ask, asked}
}

describe('segment sizes', () => {
  it('one packet is enough where the whole size passes', async () => {
    const {ask, asked} = path(1500, null)
    expect(await largestPacket(576, 1500, ask)).to.deep.equal({triedBytes: 1500, acceptedBytes: 1500, refusedBy: null})
    expect(asked).to.deep.equal([1500])
  })

  it('a size that an ICMP error names is tried next', async () => {
    const {ask, asked} = path(1400, 1400)
    const found = await largestPacket(576, 1500, ask)
    expect(found).to.deep.equal({triedBytes: 1500, acceptedBytes: 1400, refusedBy: {from: '10.0.0.2', mtu: 1400}})
    expect(asked).to.deep.equal([1500, 1400])
    expect(sizeConditions(found)[0]).to.deep.include({name: 'mtu-reduced', sent: 1500, arrived: 1400})
  })

  it('is found to the byte, in no more steps than halves need, whether somebody says a size or not, right or wrong', async () => {
    const bytes = integer({min: 576, max: 9000})
    await holds(
      asyncProperty(bytes, bytes, bytes, boolean(), async (a, b, claim, says) => {
        const [mtu, most] = [Math.min(a, b), Math.max(a, b)]
        // A router that names more than passes is followed by a smaller link.
        const {ask, asked} = path(mtu, says && claim >= mtu ? claim : null)
        const {acceptedBytes} = await largestPacket(576, most, ask)
        expect(acceptedBytes).to.equal(mtu)
        expect(asked.length).to.be.at.most(17)
      }),
    )
  })

  it('where nothing passes is none', async () => {
    const found = await largestPacket(576, 1500, path(0, null).ask)
    expect(found).to.deep.equal({triedBytes: 1500, acceptedBytes: null, refusedBy: null})
    expect(sizeConditions(found)[0].name).to.equal('large-packets-dropped')
  })

  it('no condition where all pass', () => {
    expect(sizeConditions({triedBytes: 1500, acceptedBytes: 1500, refusedBy: null})).to.deep.equal([])
  })
})
