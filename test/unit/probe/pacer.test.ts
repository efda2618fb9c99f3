import {expect} from 'chai'
import {array, assert as holds, asyncProperty, integer} from 'fast-check'

import {Pacer, type PaceClock} from '../../../src/lib/probe/pacer.js'

/** A clock that only waiting moves, later than it was asked for by `late` each time. */
class SlowClock implements PaceClock {
  ms = 1000
  constructor(private readonly late: () => number) {}

  now(): number {
    return this.ms
  }

  async wait(ms: number): Promise<void> {
    this.ms += ms + this.late()
  }
}

describe('pacer', () => {
  it('begins at once, then once an interval', async () => {
    const clock = new SlowClock(() => 0)
    const pacer = new Pacer(20, new AbortController().signal, clock)
    const at: number[] = []
    for (let turn = 0; turn < 4; turn++) {
      expect(await pacer.turn()).to.equal(true)
      at.push(clock.now())
    }

    expect(at).to.deep.equal([1000, 1020, 1040, 1060])
  })

  it('no packet leaves less than an interval after the one before, however late timers and packets are', async () => {
    const steps = array(integer({min: 0, max: 100}), {minLength: 2, maxLength: 40})
    await holds(
      asyncProperty(integer({min: 0, max: 50}), steps, steps, async (interval, lates, works) => {
        let waits = 0
        const clock = new SlowClock(() => lates[waits++ % lates.length])
        const pacer = new Pacer(interval, new AbortController().signal, clock)
        let last: number | null = null
        for (const work of works) {
          await pacer.turn()
          if (last !== null) expect(clock.now() - last).to.be.at.least(interval)
          // The packet leaves some time after its turn, and says so.
          clock.ms += work
          pacer.left()
          last = clock.now()
        }
      }),
    )
  })

  it('waits on where a timer was early', async () => {
    let early = true
    const clock = new SlowClock(() => {
      early = !early
      return early ? 0 : -0.5
    })
    const pacer = new Pacer(20, new AbortController().signal, clock)
    await pacer.turn()
    await pacer.turn()
    expect(clock.now()).to.be.closeTo(1020, 1e-9)
  })

  it('gives no turn after the probe was abandoned, and does not wait for it', async () => {
    const stop = new AbortController()
    const pacer = new Pacer(60_000, stop.signal)
    expect(await pacer.turn()).to.equal(true)
    const turn = pacer.turn()
    stop.abort()
    expect(await turn).to.equal(false)
  })
})
