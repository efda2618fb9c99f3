import {expect} from 'chai'
import fc from 'fast-check'

import {openDirect, openSplit} from '../../../../src/lib/replay/model/opening.js'
import {DEFAULT_PARAMETERS, legsFor, type ModelParameters} from '../../../../src/lib/replay/model/parameters.js'

const LEGS = {clientEdge: 10, edgeGateway: 80, gatewayOrigin: 2}
const parameters = (changes: Partial<ModelParameters> = {}): ModelParameters => ({...DEFAULT_PARAMETERS, ...changes})

const ms = fc.double({min: 0, max: 500, noNaN: true})
const legs = fc.record({clientEdge: ms, edgeGateway: ms, gatewayOrigin: ms})

describe('the opening of a connection in the model', () => {
  it('direct: one round trip, and the origin has it half a round trip later', () => {
    expect(openDirect(92)).to.deep.include({connectMs: 92, acceptMs: 138, handshakeMs: 92})
  })

  it('split: three handshakes one after the other add what one over the whole path does', () => {
    const opening = openSplit(LEGS, parameters(), false, null)
    expect(opening).to.deep.include({connectMs: 10, handshakeMs: 92})
    // 15 the edge has it, 95 its dial is done, 135 the preamble is there, 137 the origin answers, 138 has it.
    expect(opening.acceptMs).to.equal(138)
    expect(opening.legs.map(({sendAt}) => sendAt)).to.deep.equal([10, 95, 137])
  })

  it('zero-RTT: without the round trip of the middle leg', () => {
    expect(openSplit(LEGS, parameters(), true, null)).to.deep.include({connectMs: 10, handshakeMs: 12, acceptMs: 58})
  })

  it('a pair costs one replication round trip on the first byte and nothing on connect', () => {
    for (const zeroRtt of [false, true]) {
      const alone = openSplit(LEGS, parameters(), zeroRtt, null)
      const paired = openSplit(LEGS, parameters(), zeroRtt, 5)
      expect(paired.connectMs).to.equal(alone.connectMs)
      expect(paired.handshakeMs).to.equal(alone.handshakeMs + 5)
    }
  })

  it('a SYN/ACK that waits for the backup costs one more, on connect', () => {
    const withheld = openSplit(LEGS, parameters({synAck: 'withheld'}), true, 5)
    expect(withheld.connectMs).to.equal(15)
    expect(withheld.handshakeMs).to.equal(22)
  })

  it('with pairs on both sides each costs one', () => {
    expect(openSplit(LEGS, parameters({pairs: ['edge', 'gateway']}), true, 5).handshakeMs).to.equal(22)
    expect(openSplit(LEGS, parameters({pairs: ['gateway']}), true, 5)).to.deep.include({handshakeMs: 17, acceptMs: 58})
  })

  it('an origin connection that is there already costs nothing', () => {
    expect(openSplit(LEGS, parameters({originConnectMs: 0}), true, null).handshakeMs).to.equal(10)
    expect(openSplit(LEGS, parameters({originConnectMs: 7}), true, null).handshakeMs).to.equal(17)
  })

  it('on any legs zero-RTT saves the middle round trip of the split, and the split nothing of a path as long', () => {
    fc.assert(
      fc.property(legs, fc.option(ms), (rtts, ack) => {
        const direct = openDirect(rtts.clientEdge + rtts.edgeGateway + rtts.gatewayOrigin)
        const split = openSplit(rtts, parameters(), false, ack)
        const zeroRtt = openSplit(rtts, parameters(), true, ack)
        expect(split.handshakeMs - zeroRtt.handshakeMs).to.be.closeTo(rtts.edgeGateway, 1e-6)
        expect(split.handshakeMs).to.be.closeTo(direct.handshakeMs + (ack ?? 0), 1e-6)
      }),
    )
  })

  it('legs are shares of a connection’s round trip, times the stretch, or the same for all', () => {
    const shares = {kind: 'shares', clientEdge: 0.1, edgeGateway: 0.8, gatewayOrigin: 0.1} as const
    expect(legsFor(parameters({legs: shares, pathStretch: 1.5}), 100)).to.deep.equal({
      clientEdge: 15,
      edgeGateway: 120,
      gatewayOrigin: 15,
    })
    expect(legsFor(parameters({legs: {kind: 'absolute', ...LEGS}}), 100)).to.deep.equal(LEGS)
  })
})
