import {expect} from 'chai'
import fc from 'fast-check'

import {FLOW_SORTS, flowKey, sortFlows, TopList} from '../../../src/lib/relay/flow-order.js'
import {exampleFlow} from './example-flow.js'

describe('the order of flows', () => {
  it('a bounded list keeps the largest of any numbers, and gives the smallest of them first', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer({min: 1, max: 20}), (numbers, limit) => {
        const top = new TopList<number>(limit)
        for (const number of numbers) top.offer(number, -number)
        const taken: number[] = []
        for (let next = top.takeSmallest(); next !== undefined; next = top.takeSmallest()) {
          expect(next.item).to.equal(-next.key)
          taken.push(next.key)
        }

        expect(taken).to.deep.equal([...numbers].sort((a, b) => a - b).slice(Math.max(0, numbers.length - limit)))
        expect(top.length).to.equal(0)
      }),
    )
  })

  it('of equal ones it keeps those that came first', () => {
    const top = new TopList<string>(2)
    for (const name of ['a', 'b', 'c', 'd']) top.offer(1, name)
    expect([top.takeSmallest()!.item, top.takeSmallest()!.item].sort()).to.deep.equal(['a', 'b'])
  })

  it('each key takes what it is named for', () => {
    const flow = exampleFlow({
      bytes: {fromClient: 1, toClient: 2},
      waiting: {toOrigin: 10, toClient: 20},
      idleMs: 100,
      ageMs: 200,
      legs: [
        {rttMs: 7, retransmissions: 1},
        {rttMs: 80, retransmissions: 4},
      ],
      replication: {flow: 9, replicated: true, lagBytes: 1000, lagAtMostMs: 5},
    })
    const keys = Object.fromEntries(FLOW_SORTS.map((sort) => [sort, flowKey(flow, sort)]))
    expect(keys).to.deep.equal({
      bytes: 3,
      rtt: 80,
      retransmissions: 5,
      waiting: 30,
      lag: 1000,
      idle: 100,
      age: 200,
    })
  })

  it('what is not known comes last, whatever is asked for', () => {
    const unknown = exampleFlow({id: 'unknown', ageMs: null, legs: [{rttMs: null}, {rttMs: null}]})
    const known = exampleFlow({replication: {flow: 1, replicated: true, lagBytes: 0, lagAtMostMs: 0}})
    for (const sort of ['rtt', 'lag', 'age'] as const) {
      expect(sortFlows([unknown, known], sort)[1]).to.equal(unknown)
    }
  })

  it('of the same size they stand in the order of their names', () => {
    const flows = ['c', 'a', 'b'].map((id) => exampleFlow({id}))
    expect(sortFlows(flows, 'bytes').map(({id}) => id)).to.deep.equal(['a', 'b', 'c'])
  })
})
