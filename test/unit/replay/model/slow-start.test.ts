import {expect} from 'chai'
import fc from 'fast-check'

import {SlowStartSender, type SenderSettings} from '../../../../src/lib/replay/model/slow-start.js'

const SETTINGS: SenderSettings = {
  rttMs: 100,
  withheldMs: 0,
  initialWindowBytes: 10_000,
  growth: 2,
  maxWindowBytes: 1_000_000,
}
const sender = (changes: Partial<SenderSettings> = {}): SlowStartSender =>
  new SlowStartSender({...SETTINGS, ...changes})

/** What arrives of a turn that is there at 0, as [ms, bytes]. */
function arrivals(bytes: number, changes: Partial<SenderSettings> = {}): [number, number][] {
  return sender(changes)
    .send([{atMs: 0, bytes}])
    .map((arrival) => [Math.round(arrival.atMs * 1000) / 1000, arrival.bytes])
}

const sum = (items: {bytes: number}[]): number => items.reduce((total, {bytes}) => total + bytes, 0)

describe('slow start by rounds', () => {
  it('one window goes at once', () => {
    expect(arrivals(10_000)).to.deep.equal([[50, 10_000]])
  })

  it('the window doubles each round trip', () => {
    expect(arrivals(150_000)).to.deep.equal([
      [50, 10_000],
      [150, 20_000],
      [250, 40_000],
      [350, 80_000],
    ])
  })

  it('by the growth that is given, up to the greatest window', () => {
    expect(arrivals(47_500, {growth: 1.5})).to.deep.equal([
      [50, 10_000],
      [150, 15_000],
      [250, 22_500],
    ])
    expect(arrivals(40_000, {maxWindowBytes: 15_000})).to.deep.equal([
      [50, 10_000],
      [150, 15_000],
      [250, 15_000],
    ])
  })

  it('an acknowledgement that is withheld slows the clock by that much each round', () => {
    expect(arrivals(70_000, {withheldMs: 20}).map(([at]) => at)).to.deep.equal([50, 170, 290])
  })

  it('nothing leaves before the leg is open', () => {
    expect(sender().send([{atMs: 3, bytes: 10}], 40)).to.deep.equal([{atMs: 90, bytes: 10}])
  })

  it('a window that was not used does not grow', () => {
    const idle = sender()
    for (let turn = 0; turn < 5; turn++) idle.send([{atMs: turn * 150, bytes: 2000}])
    expect(idle.send([{atMs: 750, bytes: 20_000}])).to.have.lengthOf(2)
  })

  it('one that was used is kept for the next turn, and taken back after a pause', () => {
    const used = sender()
    used.send([{atMs: 0, bytes: 150_000}])
    expect(used.send([{atMs: 450, bytes: 100_000}])).to.have.lengthOf(1)
    const rested = sender()
    rested.send([{atMs: 0, bytes: 150_000}])
    expect(rested.send([{atMs: 10_000, bytes: 30_000}])).to.have.lengthOf(2)
  })

  it('all bytes arrive, in order, none before half a round trip', () => {
    const given = fc.array(
      fc.record({atMs: fc.integer({min: 0, max: 3000}), bytes: fc.integer({min: 1, max: 500_000})}),
      {
        minLength: 1,
        maxLength: 20,
      },
    )
    fc.assert(
      fc.property(given, fc.integer({min: 0, max: 300}), fc.integer({min: 0, max: 50}), (pieces, rttMs, withheldMs) => {
        const ordered = [...pieces].sort((a, b) => a.atMs - b.atMs)
        const arrived = sender({rttMs, withheldMs}).send(ordered)
        expect(sum(arrived)).to.equal(sum(ordered))
        for (let at = 1; at < arrived.length; at++) expect(arrived[at].atMs).to.be.at.least(arrived[at - 1].atMs)
        expect(arrived[0].atMs).to.be.at.least(ordered[0].atMs + rttMs / 2)
      }),
      {numRuns: 200},
    )
  })
})
