import {expect} from 'chai'

import {SeededRandom} from '../../../src/lib/failover/random.js'
import type {Scenario} from '../../../src/lib/failover/scenario.js'
import {schedule} from '../../../src/lib/failover/schedule.js'

type Step = Scenario['steps'][number]

const kill = (moment: Pick<Step, 'at' | 'after'>): Step => ({...moment, do: 'kill', target: 'edge-a'})

const order = (steps: Step[]): unknown[] =>
  schedule(steps, new SeededRandom(1)).map((due) => ('at' in due ? due.at : `+${due.after}`))

describe('the schedule of a scenario', () => {
  it('puts steps in the order of their times', () => {
    expect(order([kill({at: [300, 300]}), kill({at: [100, 100]}), kill({at: [200, 200]})])).to.deep.equal([
      100, 200, 300,
    ])
  })

  it('keeps a step that follows another behind it', () => {
    const late = [kill({at: [300, 300]}), kill({after: [1, 1]}), kill({after: [2, 2]})]
    expect(order([...late, kill({at: [100, 100]}), kill({after: [3, 3]})])).to.deep.equal([100, '+3', 300, '+1', '+2'])
  })

  it('counts a first step that follows nothing from the beginning', () => {
    expect(order([kill({after: [5, 5]}), kill({at: [1, 1]})])).to.deep.equal([1, 5])
  })

  it('chooses the same moments with the same seed', () => {
    const steps = [kill({at: [0, 1000]}), kill({after: [0, 1000]})]
    expect(order(steps)).to.deep.equal(order(steps))
  })
})
