import {expect} from 'chai'

import {staticCoordinator, type Coordinator} from '../../../src/lib/replication/ownership.js'
import type {Sabotage} from './host.js'
import {simulate, Violation, type SimulationResult} from './simulation.js'

const SEEDS = Number(process.env.OVERLAY_SIMULATION_SEEDS ?? 100)
const FIRST = Number(process.env.OVERLAY_SIMULATION_FIRST ?? 1)
const STEPS = 1000

/** The first failure in 60 seeds. */
function firstViolation(options: {sabotage?: Sabotage; coordinator?: Coordinator}): string {
  for (let seed = 1; seed <= 60; seed++) {
    try {
      simulate({seed, steps: STEPS, ...options})
    } catch (error) {
      return (error as Error).message
    }
  }

  return 'none'
}

describe('a pair under random faults', function () {
  this.timeout(600_000)

  for (const etcd of [false, true]) {
    it(`${SEEDS} seeds of ${STEPS} steps${etcd ? ' with etcd' : ''}: safe at every step, and all flows finish once faults end`, () => {
      const sum: SimulationResult = {takeovers: 0, withFlows: 0, faults: 0, started: 0, completed: 0, excused: 0}
      const totals = sum as unknown as Record<string, number>
      const failures: string[] = []
      for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
        try {
          for (const [name, value] of Object.entries(simulate({seed, steps: STEPS, etcd}))) totals[name] += value
        } catch (error) {
          failures.push(error instanceof Violation ? error.message : `seed ${seed}: ${(error as Error).stack}`)
        }
      }

      expect(failures).to.deep.equal([])
      expect(sum.completed + sum.excused).to.equal(sum.started)
      // Enough has happened to mean something.
      expect(sum.withFlows).to.be.above(SEEDS * 0.5)
      expect(sum.completed).to.be.above(sum.started * 0.8)
      if (SEEDS > 100) console.log(`      ${JSON.stringify(sum)}`)
    })
  }

  it('the same seed gives the same run', () => {
    expect(simulate({seed: 7, steps: STEPS})).to.deep.equal(simulate({seed: 7, steps: STEPS}))
  })

  it('notices an acknowledgement before the backup has the bytes', () => {
    expect(firstViolation({sabotage: {acknowledgeBeforeBackup: true}})).to.match(/acknowledged of direction/)
  })

  it('notices an owner that speaks without a lease', () => {
    expect(firstViolation({sabotage: {speakWithoutLease: true}})).to.match(/two owners/)
  })

  it('notices bytes that go upstream before both records are held', () => {
    expect(firstViolation({sabotage: {upstreamBeforeReady: true}})).to.match(/had gone upstream/)
  })

  it('a takeover that forgets bytes does not go unnoticed', () => {
    expect(firstViolation({sabotage: {forgetPendingBytes: true}})).to.match(/acknowledged|reset|liveness|another byte/)
  })

  it('notices a coordinator that lets the owner go on alone on silence', () => {
    const coordinator: Coordinator = {...staticCoordinator, alone: (epoch, _evidence, answer) => answer(epoch)}
    expect(firstViolation({coordinator})).to.match(/two owners/)
  })
})
