import {expect} from 'chai'

import {isNextHopDead} from '../../../src/lib/probe/next-hop.js'

const HOP = {device: 'eth0', address: '192.0.2.1'}

describe('next hop', () => {
  for (const [states, dead] of [
    [['FAILED'], true],
    [['INCOMPLETE', 'INCOMPLETE', 'FAILED'], true],
    [['PROBE', 'REACHABLE'], false],
    [['INCOMPLETE', 'REACHABLE'], false],
    [['STALE'], false],
    [['DELAY'], false],
    [['NOARP'], false],
    [[null], false],
  ] as const) {
    it(`${states.join(', ') || 'no entry'}: ${dead ? 'dead' : 'not dead'}`, async () => {
      const left = [...states]
      expect(await isNextHopDead(HOP, new AbortController().signal, () => left.shift() ?? null)).to.equal(dead)
      expect(left).to.deep.equal([])
    })
  }

  it('does not wait once the probe is abandoned', async () => {
    const stop = new AbortController()
    stop.abort()
    expect(await isNextHopDead(HOP, stop.signal, () => 'INCOMPLETE')).to.equal(false)
  })
})
