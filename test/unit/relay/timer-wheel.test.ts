import {expect} from 'chai'
import fc from 'fast-check'

import {Timer, TimerWheel} from '../../../src/lib/relay/timer-wheel.js'

describe('timer wheel', () => {
  it('fires at the deadline or up to a tick later, never before', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({min: 0, max: 40_000}), {minLength: 1, maxLength: 40}),
        fc.array(fc.integer({min: 1, max: 3000}), {minLength: 1, maxLength: 60}),
        (deadlines, steps) => {
          let now = 5
          const wheel = new TimerWheel(now, 10, 64)
          const fired = new Map<Timer, number>()
          const timers = deadlines.map((deadline) => {
            const timer: Timer = new Timer(() => fired.set(timer, now))
            wheel.arm(timer, deadline)
            return timer
          })
          for (const step of steps) {
            const before = now
            now += step
            wheel.advance(now)
            for (const [index, timer] of timers.entries()) {
              const at = fired.get(timer)
              if (at === undefined) expect(deadlines[index]).to.be.greaterThan(now - 20)
              else if (at === now) expect(deadlines[index]).to.be.within(Math.min(before - 20, deadlines[index]), now)
              if (at !== undefined) expect(at).to.be.at.least(deadlines[index])
            }
          }
        },
      ),
    )
  })

  it('can be cancelled and moved, also from a timer that fires', () => {
    const wheel = new TimerWheel(0, 10, 64)
    const fired: string[] = []
    const victim = new Timer(() => fired.push('victim'))
    const moved = new Timer(() => fired.push('moved'))
    const killer = new Timer(() => {
      fired.push('killer')
      wheel.cancel(victim)
      wheel.arm(moved, 500)
    })
    // The first armed of a slot fires first: both lists put the newest in front.
    for (const timer of [killer, victim, moved]) wheel.arm(timer, 100)
    wheel.advance(110)
    expect(fired).to.deep.equal(['killer'])
    expect(victim.armed).to.equal(false)
    wheel.advance(490)
    expect(fired).to.deep.equal(['killer'])
    wheel.advance(510)
    expect(fired).to.deep.equal(['killer', 'moved'])
    expect(wheel.delay(510)).to.equal(-1)
  })

  it('says how long nothing is due, never too long', () => {
    const wheel = new TimerWheel(0, 10, 64)
    const timer = new Timer(() => {})
    expect(wheel.delay(0)).to.equal(-1)
    wheel.arm(timer, 10_000)
    let now = 0
    let wakes = 0
    while (timer.armed) {
      const delay = wheel.delay(now)
      expect(delay).to.be.at.least(0)
      now += Math.max(1, delay)
      wheel.advance(now)
      wakes++
    }

    expect(now).to.be.within(10_000, 10_010)
    expect(wakes).to.be.lessThan(30)
  })
})
