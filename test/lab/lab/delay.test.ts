import {expect} from 'chai'

import {Lab} from '../../../src/lib/lab/lab.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'
import {wakeUpLatenessMs} from '../support/wake-up.js'
import {captureBothEnds, LOAD_PORT, quantile, segments, sendLoad, transitMs} from '../support/lab-tools.js'

/** Other programs of the machine can hold a packet up: of so many runs the best one counts. */
const RUNS = 20
/**
 * A machine whose own timers are later than the tolerance lets no program keep it. After so many runs between two looks
 * that both say so, half of the packets are judged instead of 99 of 100.
 */
const UNFIT_RUNS = 6
const TOLERANCE_MS = 0.2
const FILTER = `udp port ${LOAD_PORT}`

describe('delay of a link', () => {
  let lab: Lab

  before(async () => {
    lab = await Lab.up({links: {'client-edge': {rttMs: 40}, 'edge-gateway': {rttMs: 60}}}, {owned: true})
  })

  after(() => lab?.down())

  for (const perSecond of [200, 20_000]) {
    it(`is within ${TOLERANCE_MS} ms for 99 of 100 packets at ${perSecond} packets/s`, async () => {
      const results: string[] = []
      const medians: number[] = []
      let before = await wakeUpLatenessMs()
      for (let run = 0; run < RUNS; run++) {
        const {near, far} = await captureBothEnds(lab, ['client', 'edge'], 'client-edge', FILTER, () =>
          sendLoad(lab, 'client', '10.77.1.21', {packets: perSecond, perSecond}),
        )
        expect([near.length, far.length]).to.deep.equal([perSecond, perSecond])
        const errors = transitMs(near, far).map((ms) => ms - 20)
        const [p50, p99] = [quantile(errors, 0.5), quantile(errors, 0.99)]
        const afterwards = await wakeUpLatenessMs()
        results.push(
          `p50 ${p50.toFixed(3)}, p99 ${p99.toFixed(3)}, max ${quantile(errors, 1).toFixed(3)} ms late, ` +
            `the machine's timers ${before.toFixed(3)} and ${afterwards.toFixed(3)} at p99`,
        )
        if (Math.min(before, afterwards) > TOLERANCE_MS) medians.push(p50)
        before = afterwards
        expect(quantile(errors, 0), 'earlier than configured').to.be.greaterThan(-0.01)
        const unfit = medians.length === UNFIT_RUNS
        if (unfit) expect(Math.max(...medians), 'half of the packets').to.be.at.most(TOLERANCE_MS)
        if (p99 <= TOLERANCE_MS || unfit) {
          console.log(`      ${results.join(' | ')}`)
          return
        }
      }

      expect.fail(`p99 above ${TOLERANCE_MS} ms in each run: ${results.join(' | ')}`)
    })
  }

  it('makes the round trip that is configured, of IPv4 and IPv6, and changes while the lab is up', async () => {
    // A closed port answers a SYN with an RST: a round trip with next to nothing between.
    const knock = `const {connect} = require('node:net'), [host, times] = process.argv.slice(1)
      const next = (left) => left && connect(9, host).on('error', () => setTimeout(next, 5, left - 1))
      next(Number(times))`
    for (const [address, rttMs] of [
      ['10.77.2.21', 60],
      ['fd77:2::21', 60],
      ['10.77.2.21', 300],
      ['fd77:2::21', 4],
    ] as const) {
      await lab.setLink('edge-gateway', {rttMs})
      const {near, far} = await captureBothEnds(lab, ['edge', 'gateway'], 'edge-gateway', 'tcp port 9', async () => {
        await lab.exec('edge', [process.execPath, '-e', knock, address, '5'])
      })
      const [edge, gateway] = [segments(near), segments(far)]
      const rtts = edge
        .filter(({flags}) => flags === TcpFlag.SYN)
        .map((syn) => {
          const atGateway = gateway.filter(({sourcePort, destinationPort}) =>
            [sourcePort, destinationPort].includes(syn.sourcePort),
          )
          const reset = edge.find((segment) => segment.destinationPort === syn.sourcePort)!
          return reset.timeMs - syn.timeMs - (atGateway[1].timeMs - atGateway[0].timeMs)
        })
      expect(rtts).to.have.lengthOf(5)
      const machineMs = await wakeUpLatenessMs()
      expect(quantile(rtts, 0.5), `RTT to ${address}`).to.be.within(
        rttMs,
        rttMs + 2 * Math.max(TOLERANCE_MS, machineMs),
      )
    }
  })
})
