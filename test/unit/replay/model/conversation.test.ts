import {expect} from 'chai'
import fc from 'fast-check'

import {playConversation, type ModelTurn} from '../../../../src/lib/replay/model/conversation.js'
import {firstByteAt} from '../../../../src/lib/replay/model/first-byte.js'
import {openDirect, openSplit, type Opening} from '../../../../src/lib/replay/model/opening.js'
import {DEFAULT_PARAMETERS} from '../../../../src/lib/replay/model/parameters.js'

const LEGS = {clientEdge: 10, edgeGateway: 80, gatewayOrigin: 2}
const MSS = 1460
const direct = openDirect(92)
const split = openSplit(LEGS, DEFAULT_PARAMETERS, false, null)
const zeroRtt = openSplit(LEGS, DEFAULT_PARAMETERS, true, null)

const client = (bytes: number, thinkMs = 0): ModelTurn => ({from: 'client', bytes, thinkMs})
const server = (bytes: number, thinkMs = 0): ModelTurn => ({from: 'server', bytes, thinkMs})
const play = (opening: Opening, ...turns: ModelTurn[]) => playConversation(opening, turns, DEFAULT_PARAMETERS, MSS)

describe('a conversation in the model', () => {
  it('a small request and response: as measured in the lab at 10, 80 and 2 ms', () => {
    expect(play(direct, client(100), server(100))).to.deep.include({firstByteMs: 184, completedMs: 184})
    expect(play(split, client(100), server(100))).to.deep.include({firstByteMs: 184, completedMs: 184})
    expect(play(zeroRtt, client(100), server(100))).to.deep.include({firstByteMs: 104, completedMs: 104})
  })

  it('a server that speaks first', () => {
    expect(play(direct, server(100), client(10), server(10))).to.deep.include({firstByteMs: 184, completedMs: 276})
    expect(play(zeroRtt, server(100))).to.deep.include({firstByteMs: 104})
  })

  it('think times add up, and the middle leg opens while the client thinks', () => {
    expect(play(direct, client(100, 30), server(100, 5)).firstByteMs).to.equal(184 + 35)
    // Connected at 10; what the middle leg needs is done at 95, before the client speaks at 110.
    expect(play(split, client(100, 100), server(100)).firstByteMs).to.equal(110 + 92)
    expect(play(zeroRtt, client(100, 100), server(100)).firstByteMs).to.equal(110 + 92)
  })

  it('without turns there are no bytes to time', () => {
    expect(play(direct)).to.deep.include({firstByteMs: null, completedMs: null, handshakeMs: 92})
    expect(play(direct, client(10))).to.deep.include({firstByteMs: null, completedMs: 138})
  })

  it('rounds of a long response are short on the legs of a split, the longest of them decides', () => {
    const bytes = 14 * MSS * 10
    const whole = play(direct, client(100), server(bytes)).completedMs!
    const parts = play(zeroRtt, client(100), server(bytes)).completedMs!
    // Four rounds: three waits of 92 ms direct, of 80 on the middle leg.
    expect(whole).to.equal(184 + 3 * 92)
    expect(parts).to.be.within(104 + 3 * 80, 104 + 3 * 80 + 0.01)
  })

  it('an edge with a backup acknowledges the gateway later: each round of a download takes that longer', () => {
    const paired = openSplit(LEGS, DEFAULT_PARAMETERS, true, 20)
    const bytes = 14 * MSS * 10
    const more =
      play(paired, client(100), server(bytes)).completedMs! - play(zeroRtt, client(100), server(bytes)).completedMs!
    expect(more).to.be.closeTo(20 + 3 * 20, 0.01)
  })

  it('the first byte by a sum is the first byte of the whole play', () => {
    const turn = fc.record({
      from: fc.constantFrom('client' as const, 'server' as const),
      bytes: fc.integer({min: 0, max: 40_000}),
      thinkMs: fc.double({min: 0, max: 400, noNaN: true}),
    })
    fc.assert(
      fc.property(fc.array(turn, {maxLength: 6}), fc.constantFrom(direct, split, zeroRtt), (turns, opening) => {
        const played = play(opening, ...turns).firstByteMs
        const summed = firstByteAt(opening, turns, DEFAULT_PARAMETERS, MSS)
        if (played === null || summed === null) expect(summed).to.equal(played)
        else expect(summed).to.be.closeTo(played, 0.01)
      }),
      {numRuns: 300},
    )
  })
})
