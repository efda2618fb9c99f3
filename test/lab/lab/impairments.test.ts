import {expect} from 'chai'

import type {PcapPacket} from '../../../src/lib/capture/pcap-reader.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import type {LinkChange} from '../../../src/lib/lab/link-parameters.js'
import {captureBothEnds, loadNumber, LOAD_PORT, quantile, sendLoad, transitMs} from '../support/lab-tools.js'
import {wakeUpLatenessMs} from '../support/wake-up.js'

const CLEAN: LinkChange = {
  rttMs: 4,
  jitterMs: 0,
  lossPercent: 0,
  duplicatePercent: 0,
  reorderPercent: 0,
  rateMbit: 0,
}

describe('what a link does to packets', () => {
  let lab: Lab

  before(async () => {
    lab = await Lab.up({}, {owned: true})
  })

  after(() => lab?.down())

  /** Sends a load from client to edge over a link that does only what `change` says. */
  async function run(
    change: LinkChange,
    load: {packets: number; perSecond: number; bytes?: number},
  ): Promise<{near: PcapPacket[]; far: PcapPacket[]}> {
    await lab.setLink('client-edge', {...CLEAN, ...change, towards: 'edge'})
    return captureBothEnds(lab, ['client', 'edge'], 'client-edge', `udp port ${LOAD_PORT}`, () =>
      sendLoad(lab, 'client', '10.77.1.21', load),
    )
  }

  it('loses the share that it shall, and the same packets again with the same seed', async () => {
    const load = {packets: 10_000, perSecond: 20_000}
    const before = await lab.linkStats('client-edge')
    const lost: number[][] = []
    for (const seed of [7, 7, 8]) {
      const {far} = await run({lossPercent: 5, seed}, load)
      const arrived = new Set(far.map((packet) => loadNumber(packet)))
      lost.push(Array.from({length: load.packets}, (_, number) => number).filter((number) => !arrived.has(number)))
    }

    // Binomial: n = 10,000, p = 0.05, standard deviation 21.8; four of them either way.
    for (const numbers of lost) expect(numbers.length).to.be.within(413, 587)
    expect(lost[1]).to.deep.equal(lost[0])
    expect(lost[2]).to.not.deep.equal(lost[0])
    const after = await lab.linkStats('client-edge')
    const sum = lost.reduce((total, numbers) => total + numbers.length, 0)
    expect(after.towards.edge.lost - before.towards.edge.lost).to.equal(sum)
  })

  it('keeps the order under jitter, and spreads the delay over it', async () => {
    const {near, far} = await run({jitterMs: 5}, {packets: 1000, perSecond: 500})
    const numbers = far.map((packet) => loadNumber(packet))
    expect(numbers).to.deep.equal([...numbers].sort((a, b) => a - b))
    const transit = transitMs(near, far)
    expect(quantile(transit, 0)).to.be.within(1.99, 3)
    // No program is on time more often than the machine wakes it.
    expect(quantile(transit, 0.9)).to.be.within(5, 7.5 + (await wakeUpLatenessMs()))
  })

  it('duplicates and reorders the share that it shall', async () => {
    const load = {packets: 2000, perSecond: 4000}
    const {far: doubled} = await run({duplicatePercent: 10, seed: 3}, load)
    // n = 2000, p = 0.1: standard deviation 13.4.
    expect(doubled.length - load.packets).to.be.within(146, 254)

    const {near, far} = await run({reorderPercent: 10, reorderDelayMs: 4, seed: 3}, load)
    expect(far).to.have.lengthOf(load.packets)
    const late = transitMs(near, far).filter((ms) => ms > 5.9)
    expect(late.length).to.be.within(146, 260)
    const numbers = far.map((packet) => loadNumber(packet))
    expect(numbers).to.not.deep.equal([...numbers].sort((a, b) => a - b))
  })

  it('has the rate that is configured within 2 %, and drops what the queue cannot hold', async () => {
    const before = await lab.linkStats('client-edge')
    // Offered: 2000 packets of 1042 bytes a second, 16.7 Mbit/s.
    const load = {packets: 3000, perSecond: 2000, bytes: 1000}
    const {far} = await run({rateMbit: 10, queueBytes: 100_000}, load)
    const seconds = Number(far.at(-1)!.timeNs - far[0].timeNs) / 1e9
    const bits = far.slice(1).reduce((sum, packet) => sum + packet.originalLength * 8, 0)
    expect(bits / seconds / 1e6).to.be.within(9.8, 10.2)
    const after = await lab.linkStats('client-edge')
    const dropped = after.towards.edge.droppedByQueue - before.towards.edge.droppedByQueue
    expect(dropped)
      .to.equal(load.packets - far.length)
      .and.be.greaterThan(500)
  })
})
