import {expect} from 'chai'
import {assert as holds, integer, property, record} from 'fast-check'

import {judgeOpenings, type OpeningCounts} from '../../../src/lib/handshake/path-verdict.js'

const counts = (some: Partial<OpeningCounts>): OpeningCounts => ({
  syns: 10,
  confirmed: 0,
  confirmedByData: 0,
  mismatches: 0,
  refused: 0,
  ...some,
})

describe('verdict on a path by its openings', () => {
  it('is none before there was one', () => {
    expect(judgeOpenings(counts({syns: 0}), true)).to.equal(null)
  })

  for (const [what, some, known, verdict] of [
    ['confirmed', {confirmed: 10}, true, 'zero-rtt'],
    ['confirmed by the data alone', {confirmedByData: 10}, true, 'zero-rtt'],
    ['one confirmed, the others lost', {confirmed: 1}, true, 'zero-rtt'],
    ['as many confirmed as not', {confirmed: 5, mismatches: 3, refused: 2}, true, 'zero-rtt'],
    ['fewer confirmed than not', {confirmed: 4, mismatches: 5}, true, 'blocked'],
    ['another number', {mismatches: 10}, true, 'blocked'],
    ['another number, of who knows whom', {mismatches: 10}, false, 'ordinary'],
    ['RST', {refused: 10}, true, 'closed'],
    ['RST more often than another number', {refused: 6, mismatches: 4}, true, 'closed'],
    ['silence', {}, true, 'blocked'],
    ['silence, of who knows whom', {}, false, 'filtered'],
  ] as const) {
    it(`${what}: ${verdict}`, () => expect(judgeOpenings(counts(some), known)?.verdict).to.equal(verdict))
  }

  it('tells of numbers that differ, and what to do, also where most openings succeed', () => {
    const judged = judgeOpenings(counts({confirmed: 8, mismatches: 2}), true)!
    expect(judged.reasons).to.deep.equal([
      '8 of 10 openings with a suggested number were confirmed',
      '2 of 10 were answered with another number',
    ])
    expect(judged.advice).to.have.lengthOf(2)
    expect(judgeOpenings(counts({confirmed: 8}), true)!.advice).to.deep.equal([])
  })

  it('tells of openings that were confirmed without their SYN/ACK', () => {
    expect(judgeOpenings(counts({confirmed: 7, confirmedByData: 3}), true)!.reasons).to.deep.equal([
      '10 of 10 openings with a suggested number were confirmed',
      '3 of them by what came after it: the SYN, or the SYN/ACK, was lost',
    ])
  })

  it('always has a reason, and advice unless all is well', () => {
    const count = integer({min: 0, max: 9})
    holds(
      property(record({confirmed: count, confirmedByData: count, mismatches: count, refused: count}), (some) => {
        const syns = some.confirmed + some.confirmedByData + some.mismatches + some.refused + 1
        for (const known of [false, true]) {
          const {verdict, reasons, advice} = judgeOpenings({...some, syns}, known)!
          expect(reasons).to.not.deep.equal([])
          if (verdict !== 'zero-rtt') expect(advice).to.not.deep.equal([])
        }
      }),
    )
  })
})
