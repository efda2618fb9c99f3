import {expect} from 'chai'

import {lessThan, median, ratio, spread} from '../../../src/lib/bench/ratio.js'

describe('ratios of a bench', () => {
  it('are of values of the same round', () => {
    // The third round was slow for both: the ratio does not show it.
    expect(ratio([20, 22, 2], [10, 10, 1])).to.deep.equal({median: 2, lowest: 2, highest: 2.2})
  })

  it('leave out rounds in which one has no value', () => {
    expect(ratio([null, 6, 8], [1, null, 4])).to.deep.equal({median: 2, lowest: 2, highest: 2})
    expect(ratio([1, 2], [0])).to.equal(null)
    expect(ratio([], [])).to.equal(null)
  })

  it('differences are of values of the same round too', () => {
    expect(lessThan([20, null, 2, 5], [100, 10, 85, 80])).to.deep.equal({median: 80, lowest: 75, highest: 83})
    expect(lessThan([null], [1])).to.equal(null)
  })

  it('median and extremes are of the values', () => {
    expect(median([3, 1, 2])).to.deep.equal({median: 2, lowest: 1, highest: 3})
    expect(median([])).to.equal(null)
  })

  it('the spread is that of the middle half: one odd round does not widen it', () => {
    expect(spread([100, 100, 100, 100, 100, 100, 5])).to.equal(0)
    expect(spread([90, 100, 110, 80, 120, 95, 105])).to.equal(0.2)
    expect(spread([1, 2])).to.equal(null)
    expect(spread([0, 0, 0])).to.equal(null)
  })
})
