import {expect} from 'chai'

import type {LoadOutcome} from '../../../src/lib/bench/load/orders.js'
import {Trials} from '../../../src/lib/bench/trials.js'

function trial(done: number, failures: string[] = [], loadShare = 0.4) {
  const outcome: LoadOutcome = {ms: 1000, bytes: 0, done, failed: failures.length, exchangeMs: null, messages: failures}
  return {outcome, loadShare}
}

describe('trials of a bench', () => {
  it('give a figure of each path, with its ratios to what was measured beside it', () => {
    const trials = new Trials<ReturnType<typeof trial>>()
    for (const [own, haproxy] of [
      [300, 100],
      [250, 125],
      [100, 100],
    ]) {
      trials.add('zero-rtt', trial(own))
      trials.add('haproxy', trial(haproxy, [], 0.8))
    }

    const [own, haproxy] = trials.results({rate: ({outcome}) => outcome.done})
    expect(own).to.deep.equal({
      name: 'zero-rtt',
      failed: 0,
      messages: [],
      rate: {
        median: 250,
        lowest: 100,
        highest: 300,
        rounds: [300, 250, 100],
        ratios: [{to: 'haproxy', median: 2, lowest: 1, highest: 3}],
      },
    })
    expect(haproxy.rate?.ratios).to.deep.equal([])
    expect(trials.loadShare).to.equal(0.8)
  })

  it('keep the place of a round that failed, and say what the failed said once', () => {
    const trials = new Trials<ReturnType<typeof trial>>()
    for (const failures of [['recv: ECONNRESET', 'recv: ECONNRESET'], []]) {
      trials.add('haproxy', trial(10))
      trials.add('nginx', trial(failures.length > 0 ? 0 : 20, failures))
    }

    const nginx = trials.results({rate: ({outcome}) => outcome.done || null}).at(1)
    expect(nginx).to.deep.include({failed: 2, messages: ['recv: ECONNRESET']})
    expect(nginx?.rate?.rounds).to.deep.equal([null, 20])
    expect(nginx?.rate?.ratios).to.deep.equal([{to: 'haproxy', median: 2, lowest: 2, highest: 2}])
  })

  it('without a good round there is no figure', () => {
    const trials = new Trials<ReturnType<typeof trial>>()
    trials.add('nginx', trial(0))
    expect(trials.results({rate: () => null})[0].rate).to.equal(null)
  })
})
