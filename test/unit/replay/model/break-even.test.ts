import {expect} from 'chai'

import {breakEvenOf} from '../../../../src/lib/replay/model/break-even.js'

const points = (...saved: number[]) => saved.map((savedMs, index) => ({replicationAckMs: index * 10, savedMs}))

describe('the break-even latency', () => {
  it('is where the saving is 0, between two latencies by a straight line', () => {
    expect(breakEvenOf(points(15, 5, -5))).to.deep.equal({atMs: 15, verdict: 'within range'})
    expect(breakEvenOf(points(10, 0, -10))).to.deep.equal({atMs: 10, verdict: 'within range'})
    expect(breakEvenOf(points(0, -10))).to.deep.equal({atMs: 0, verdict: 'within range'})
  })

  it('is null, and says why, outside the range', () => {
    expect(breakEvenOf(points(30, 20, 10))).to.deep.equal({atMs: null, verdict: 'saves throughout'})
    expect(breakEvenOf(points(-1, -11))).to.deep.equal({atMs: null, verdict: 'never saves'})
    expect(breakEvenOf(points(0, 0))).to.deep.equal({atMs: null, verdict: 'never saves'})
    expect(breakEvenOf([])).to.deep.equal({atMs: null, verdict: 'nothing to model'})
  })
})
