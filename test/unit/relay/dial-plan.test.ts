import {expect} from 'chai'
import fc from 'fast-check'

import {
  DialHistory,
  GIVE_UP,
  ORDINARY,
  OUTCOMES,
  Outcome,
  STAY,
  WAIT,
  ZERO_RTT,
  firstDial,
  gatewayOf,
  handshakeOf,
  nextDial,
  type DialCandidate,
} from '../../../src/lib/relay/dial-plan.js'

const up: DialCandidate = {preferred: true, zeroRttFits: () => true, zeroRttPasses: () => false}
const down: DialCandidate = {preferred: false, zeroRttFits: () => true, zeroRttPasses: () => false}
const noZeroRtt: DialCandidate = {preferred: true, zeroRttFits: () => false, zeroRttPasses: () => false}
const policy = {zeroRtt: true, retryOtherGateway: true}

/** The steps that a sequence of outcomes leads to, as `0z` (gateway 0, zero-RTT), `1o`, `stay`, `end`. */
function walk(candidates: DialCandidate[], outcomes: number[], options: Partial<typeof policy> = {}): string[] {
  const history = new DialHistory()
  const chosen = {...policy, ...options}
  let step = firstDial(history, candidates, chosen, 0)
  const steps = [name(step)]
  for (const outcome of outcomes) {
    step = nextDial(history, step, outcome, candidates, chosen, 0)
    steps.push(name(step))
    if (step < 0) break
  }

  return steps
}

function name(step: number): string {
  if (step === GIVE_UP) return 'end'
  if (step === STAY) return 'stay'
  if (step === WAIT) return 'wait'
  return `${gatewayOf(step)}${handshakeOf(step) === ZERO_RTT ? 'z' : 'o'}`
}

describe('dial plan', () => {
  it('starts with the first gateway that is well, in order', () => {
    expect(walk([up, up], [])).to.deep.equal(['0z'])
    expect(walk([down, up], [])).to.deep.equal(['1z'])
    expect(walk([down, down], [])).to.deep.equal(['0z'])
    expect(walk([noZeroRtt], [])).to.deep.equal(['0o'])
    expect(walk([up], [], {zeroRtt: false})).to.deep.equal(['0o'])
  })

  it('tries the ordinary handshake after an RST to the zero-RTT one, then the next gateway', () => {
    expect(walk([up, up], [Outcome.Reset, Outcome.Refused, Outcome.Reset, Outcome.Refused])).to.deep.equal([
      '0z',
      '0o',
      '1z',
      '1o',
      'end',
    ])
  })

  it('goes on to the next gateway when one declines or cannot be reached', () => {
    expect(walk([up, up], [Outcome.Declined, Outcome.Declined])).to.deep.equal(['0z', '1z', 'end'])
    expect(walk([up, down, up], [Outcome.Refused, Outcome.Refused, Outcome.Refused])).to.deep.equal([
      '0z',
      '2z',
      '1z',
      'end',
    ])
  })

  it('answers one challenge of each gateway', () => {
    expect(walk([up, up], [Outcome.Challenge, Outcome.Challenge, Outcome.Challenge])).to.deep.equal([
      '0z',
      '0z',
      '1z',
      '1z',
    ])
  })

  it('never sends again what a gateway says it has served', () => {
    expect(walk([up, up], [Outcome.Duplicate])).to.deep.equal(['0z', 'end'])
  })

  it('asks the gateway itself after a reset that may have followed delivery', () => {
    expect(walk([up, up], [Outcome.ResetAfterAck, Outcome.Duplicate])).to.deep.equal(['0z', '0o', 'end'])
    expect(walk([up, up], [Outcome.ResetAfterAck, Outcome.Refused])).to.deep.equal(['0z', '0o', '1z'])
    expect(walk([up, up], [Outcome.ResetAfterAck, Outcome.ResetAfterAck])).to.deep.equal(['0z', '0o', '1z'])
    const careful = {retryOtherGateway: false}
    expect(walk([up, up], [Outcome.ResetAfterAck, Outcome.Refused], careful)).to.deep.equal(['0z', '0o', 'end'])
    expect(walk([up, up], [Outcome.ResetAfterAck, Outcome.ResetAfterAck], careful)).to.deep.equal(['0z', '0o', 'end'])
  })

  it('leaves a silent gateway for another, for the ordinary handshake, or waits', () => {
    expect(walk([up, up], [Outcome.Silent])).to.deep.equal(['0z', '1z'])
    expect(walk([up], [Outcome.Silent, Outcome.Silent])).to.deep.equal(['0z', '0o', 'stay'])
    expect(walk([up], [Outcome.Silent], {zeroRtt: false})).to.deep.equal(['0o', 'stay'])
    expect(walk([up, up], [Outcome.Silent, Outcome.Silent], {retryOtherGateway: false})).to.deep.equal([
      '0z',
      '0o',
      'stay',
    ])
  })

  it('waits for a silent gateway while others are accepted by it with the zero-RTT handshake', () => {
    const passes: DialCandidate = {preferred: true, zeroRttFits: () => true, zeroRttPasses: () => true}
    expect(walk([passes], [Outcome.Silent])).to.deep.equal(['0z', 'wait'])
    expect(walk([passes, up], [Outcome.Silent])).to.deep.equal(['0z', '1z'])
    expect(walk([passes], [Outcome.Silent], {zeroRtt: false})).to.deep.equal(['0o', 'stay'])
  })

  it('always ends', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(up, down, noZeroRtt), {minLength: 1, maxLength: 30}),
        fc.array(fc.nat(OUTCOMES.length - 1), {minLength: 130, maxLength: 130}),
        fc.boolean(),
        fc.boolean(),
        (candidates, outcomes, zeroRtt, retryOtherGateway) => {
          const steps = walk(candidates, outcomes, {zeroRtt, retryOtherGateway})
          expect(['end', 'stay']).to.include(steps.at(-1))
          // A gateway is dialled at most twice with each handshake, and once more for a challenge.
          for (const step of new Set(steps)) expect(steps.filter((other) => other === step).length).to.be.at.most(3)
        },
      ),
    )
    expect(ORDINARY).to.equal(1)
  })
})
