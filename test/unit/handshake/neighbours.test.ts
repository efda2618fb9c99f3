import {expect} from 'chai'

import {verifyArguments} from '../../../src/lib/handshake/neighbours.js'

const HOP = {device: 'eth0', address: '192.0.2.1'}
const CHANGE = ['neigh', 'change', '192.0.2.1', 'dev', 'eth0', 'nud', 'probe']

describe('neighbours', () => {
  it('an entry that the kernel does not doubt is verified', () => {
    for (const state of ['REACHABLE', 'STALE', 'DELAY']) {
      expect(verifyArguments(HOP, {state: [state]})).to.deep.equal(CHANGE)
    }
  })

  it('a router stays one', () => {
    expect(verifyArguments(HOP, {state: ['STALE'], router: null})).to.deep.equal([...CHANGE, 'router'])
  })

  it('what is permanent, unknown, asked for already or kept by another program is left alone', () => {
    for (const state of ['PERMANENT', 'NOARP', 'INCOMPLETE', 'PROBE', 'FAILED', 'NONE']) {
      expect(verifyArguments(HOP, {state: [state]})).to.equal(null)
    }

    expect(verifyArguments(HOP, {})).to.equal(null)
    for (const flag of ['managed', 'extern_learn', 'offload', 'proxy']) {
      expect(verifyArguments(HOP, {state: ['STALE'], [flag]: null})).to.equal(null)
    }
  })
})
