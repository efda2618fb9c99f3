import {expect} from 'chai'

import {isNextHopDead} from '../../../src/lib/probe/next-hop.js'

const HOP = {device: 'eth0', address: '192.0.2.1'}

describe('next hop', () => {
  /** States one look after the other, and whether the kernel can be made to ask. */
  for (const [states, asks, dead] of [
    [['FAILED'], true, true],
    [['INCOMPLETE', 'INCOMPLETE', 'FAILED'], true, true],
    [['PROBE', 'REACHABLE'], false, false],
    [['INCOMPLETE', 'REACHABLE'], false, false],
    [['STALE', 'PROBE', 'PROBE', 'FAILED'], true, true],
    [['DELAY', 'PROBE', 'REACHABLE'], true, false],
    [['REACHABLE', 'PROBE', 'FAILED'], true, true],
    // Answered between two looks.
    [['STALE', 'REACHABLE'], true, false],
    [['STALE'], false, false],
    [['NOARP'], false, false],
    [[null], true, false],
  ] as const) {
    it(`${states.join(', ') || 'no entry'}${asks ? '' : ', not verified'}: ${dead ? 'dead' : 'not dead'}`, async () => {
      const left = [...states]
      const kernel = {look: () => left.shift() ?? null, verify: () => asks}
      expect(await isNextHopDead(HOP, new AbortController().signal, kernel)).to.equal(dead)
      expect(left).to.deep.equal([])
    })
  }

  it('is asked for once', async () => {
    let asked = 0
    const kernel = {look: () => 'STALE', verify: () => ++asked > 0}
    expect(await isNextHopDead(HOP, new AbortController().signal, kernel)).to.equal(false)
    expect(asked).to.equal(1)
  })

  it('does not wait once the probe is abandoned', async () => {
    const stop = new AbortController()
    stop.abort()
    expect(await isNextHopDead(HOP, stop.signal, {look: () => 'INCOMPLETE', verify: () => true})).to.equal(false)
  })
})
