import {expect} from 'chai'
import {assert as holds, integer, property, record} from 'fast-check'

import {exitCodeOf, judgeHandshake, judgeZeroRtt} from '../../../src/lib/probe/verdict.js'
import type {Handshake} from '../../../src/lib/probe/schema.js'

const none = {synAck: 0, reset: 0, filtered: 0, unreachable: 0, silent: 0}
const handshake = (answers: Partial<Handshake['answers']>, refusals: Handshake['refusals'] = []): Handshake => {
  const all = {...none, ...answers}
  const sent = Object.values(all).reduce((sum, count) => sum + count, 0)
  return {rttMs: null, sent, received: all.synAck + all.reset, lossPercent: 0, answers: all, refusals}
}

const openings = {syns: 10, confirmed: 0, confirmedByData: 0, mismatches: 0, refused: 0}

const code = (...verdicts: Parameters<typeof exitCodeOf>[0][0]['verdict'][]) =>
  exitCodeOf(verdicts.map((verdict) => ({verdict})))

describe('verdict', () => {
  for (const [what, answers, verdict] of [
    ['one SYN/ACK among silence', {synAck: 1, silent: 9}, undefined],
    ['RST', {reset: 1, silent: 2}, 'closed'],
    ['RST beside an ICMP error', {reset: 1, unreachable: 2}, 'closed'],
    ['an ICMP error', {unreachable: 1, silent: 2}, 'unreachable'],
    ['an ICMP error of a filter', {filtered: 3}, 'filtered'],
    ['silence', {silent: 3}, 'filtered'],
  ] as const) {
    it(`of handshakes: ${what}`, () => {
      expect(judgeHandshake(handshake(answers))?.verdict).to.equal(verdict)
    })
  }

  it('of handshakes: silence, and nobody answers for the next hop: unreachable', () => {
    const judged = judgeHandshake(handshake({silent: 3}), '192.0.2.1')!
    expect(judged.verdict).to.equal('unreachable')
    expect(judged.reasons[0]).to.include('the next hop 192.0.2.1 does not answer ARP')
    expect(judgeHandshake(handshake({silent: 3}), 'fd00::1')!.reasons[0]).to.include('neighbour discovery')
    expect(judgeHandshake(handshake({synAck: 1}), '192.0.2.1')).to.equal(null)
  })

  it('names who refused, and with what', () => {
    const judged = judgeHandshake(handshake({filtered: 2}, [{from: '192.0.2.1', what: 'ICMP type 3, code 13'}]))
    expect(judged!.reasons[0]).to.equal('2 of 2 SYNs were refused: ICMP type 3, code 13 from 192.0.2.1')
    expect(
      judgeHandshake(handshake({unreachable: 1}, [{from: null, what: 'No route to host'}]))!.reasons[0],
    ).to.include(': No route to host')
  })

  for (const [what, counts, accepted, gateway, verdict] of [
    ['no key', null, 0, false, 'ordinary'],
    ['openings confirmed, data accepted', {...openings, confirmed: 10}, 10, true, 'zero-rtt'],
    ['openings confirmed by the data alone', {...openings, confirmedByData: 10}, 10, true, 'zero-rtt'],
    ['openings confirmed, data never accepted', {...openings, confirmed: 10}, 0, true, 'blocked'],
    ['another number, by a gateway', {...openings, mismatches: 10}, 0, true, 'blocked'],
    ['another number, by a stranger', {...openings, mismatches: 10}, 0, false, 'ordinary'],
    ['openings reset, by a gateway', {...openings, refused: 10}, 0, true, 'blocked'],
    ['openings reset, by a stranger', {...openings, refused: 10}, 0, false, 'ordinary'],
    ['openings silent, by a gateway', openings, 0, true, 'blocked'],
    ['openings silent, by a stranger', openings, 0, false, 'ordinary'],
  ] as const) {
    it(`of openings: ${what}: ${verdict}`, () => {
      const judged = judgeZeroRtt(handshake({synAck: 3}), counts, accepted, gateway)
      expect(judged.verdict).to.equal(verdict)
      expect(judged.reasons).to.not.deep.equal([])
    })
  }

  it('is never that nobody is there once a handshake has succeeded', () => {
    const count = integer({min: 0, max: 20})
    holds(
      property(
        record({confirmed: count, confirmedByData: count, mismatches: count, refused: count, silent: count}),
        count,
        (of, accepted) => {
          const {silent, ...counts} = of
          const syns = silent + counts.confirmed + counts.confirmedByData + counts.mismatches + counts.refused
          for (const gateway of [false, true]) {
            const {verdict} = judgeZeroRtt(handshake({synAck: 1}), {...counts, syns}, accepted, gateway)
            expect(verdict).to.be.oneOf(['zero-rtt', 'ordinary', 'blocked'])
          }
        },
      ),
    )
  })

  it('of several targets ends with the exit code of the worst', () => {
    expect(code('zero-rtt', 'ordinary')).to.equal(0)
    expect(code('ordinary', 'closed')).to.equal(4)
    expect(code('filtered', 'blocked', 'zero-rtt')).to.equal(3)
    expect(code('unreachable')).to.equal(4)
  })
})
