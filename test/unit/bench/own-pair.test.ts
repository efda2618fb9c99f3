import {expect} from 'chai'

import {middleConnect, requireHandshakePlane} from '../../../src/lib/bench/own-pair.js'
import {OverlayError} from '../../../src/lib/errors/index.js'

const none = {count: 0, p50: null, p90: null, p99: null, max: null}
const some = {count: 3, p50: 0.3, p90: 0.4, p99: 0.5, max: 0.6}

/** A stage whose edge and gateway report these statuses. */
function stage(edge: object, gateway: object = edge) {
  return {run: async (host: string) => JSON.stringify(host === 'edge' ? edge : gateway)}
}

describe('our own pair in the bench', () => {
  it('with the handshake plane at both ends is measured', async () => {
    await requireHandshakePlane(stage({handshake: {}}), 'zero-rtt')
  })

  for (const [missing, edge, gateway] of [
    ['edge', {handshake: null}, {handshake: {}}],
    ['gateway', {handshake: {}}, {handshake: null}],
  ] as const) {
    it(`without it at the ${missing} is not passed off as zero-RTT`, async () => {
      const error: unknown = await requireHandshakePlane(stage(edge, gateway), 'zero-rtt').catch((error_) => error_)
      expect(error).to.be.instanceOf(OverlayError)
      expect((error as OverlayError).code).to.equal('KERNEL_FEATURE_MISSING')
      expect((error as OverlayError).message).to.contain(missing)
    })
  }

  it('gives the times of the kind of handshake asked for, and nothing without a sample', async () => {
    const status = {handshake: {}, traffic: {gateways: [{connectMs: {zeroRtt: some, ordinary: none}}]}}
    expect(await middleConnect(stage(status), 'zero-rtt', 'zeroRtt')).to.deep.equal({p50: 0.3, p90: 0.4, p99: 0.5})
    expect(await middleConnect(stage(status), 'zero-rtt', 'ordinary')).to.equal(undefined)
  })
})
