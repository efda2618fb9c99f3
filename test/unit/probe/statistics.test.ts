import {expect} from 'chai'
import {array, assert as holds, double, property} from 'fast-check'

import {median, summarise} from '../../../src/lib/probe/statistics.js'

describe('statistics of round trips', () => {
  it('of one sequence, by hand', () => {
    expect(summarise([2, 4, 4, 4, 5, 5, 7, 9])).to.deep.equal({
      min: 2,
      p50: 4,
      p90: 9,
      max: 9,
      mean: 5,
      stdev: 2,
      last: 9,
    })
  })

  it('of nothing are null', () => {
    expect(summarise([])).to.equal(null)
    expect(median([])).to.equal(null)
  })

  it('are in order, whatever was measured', () => {
    const ms = double({min: 0, max: 10_000, noNaN: true})
    holds(
      property(array(ms, {minLength: 1}), (values) => {
        const {min, p50, p90, max, mean, stdev, last} = summarise(values)!
        expect(min).to.be.at.most(p50)
        expect(p50).to.be.at.most(p90)
        expect(p90).to.be.at.most(max)
        // Rounded to a thousandth each.
        expect(mean).to.be.within(min - 0.001, max + 0.001)
        expect(stdev).to.be.within(0, (max - min) / 2 + 0.001)
        expect(last).to.be.closeTo(values.at(-1)!, 0.0005)
        expect(median(values)).to.equal(p50)
      }),
    )
  })
})
