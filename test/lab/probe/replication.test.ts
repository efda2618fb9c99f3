import {expect} from 'chai'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {ORIGIN_PORTS, PairStage} from '../../../src/lib/failover/stage.js'
import {labDirectory} from '../../../src/lib/lab/state.js'
import {targetSchema, type Replication, type TargetReport} from '../../../src/lib/probe/schema.js'
import {OVERLAY, serve} from '../support/overlay.js'
import {apartFromBursts} from '../support/repeated.js'

const RTT_MS = 20
const GATEWAY = '10.77.2.20:7000'
const ORIGIN = `10.77.3.21:${ORIGIN_PORTS[0]}`

describe('overlay probe --replication: what a pair adds, as seen from outside', () => {
  let stage: PairStage

  before(async () => {
    stage = await PairStage.up({pairs: ['gateway'], family: 'ipv4', rttMs: RTT_MS})
    await serve(stage.lab, 'origin', ORIGIN_PORTS[0])
  })

  after(() => stage?.down())

  const probe = async (origin = ORIGIN): Promise<TargetReport & {warnings?: string[]}> => {
    const keys = join(labDirectory(stage.lab.name), 'stage', 'keys')
    const words = ['probe', GATEWAY, '--key-file', keys, '--replication', origin, '--count', '10', '--interval', '20ms']
    const {code, stdout} = await stage.lab.exec('edge', [...OVERLAY, ...words, '--json'])
    expect(code, stdout).to.equal(0)
    const {warnings, ...report} = JSON.parse(stdout) as {warnings?: string[]}
    return {...targetSchema.parse(report), warnings}
  }

  const accepted = async (): Promise<Replication> => {
    const {replication} = await probe()
    expect(replication).to.deep.include({sent: 10, accepted: 10})
    return replication!
  }

  for (const replicationRttMs of [0, 8]) {
    it(`the replication link takes ${replicationRttMs} ms: acknowledgements come so much later than the path`, async () => {
      await stage.lab.setLink('gateway-replication', {rttMs: replicationRttMs})
      await apartFromBursts(accepted, ({ackMs, pathRttMs}) => {
        expect(pathRttMs.min).to.be.within(RTT_MS, RTT_MS + 5)
        // A busy machine delays either, and makes neither earlier: the least of both is compared.
        expect(ackMs.min - pathRttMs.min).to.be.within(replicationRttMs - 0.6, replicationRttMs + 5)
      })
      const {stdout} = await stage.lab.exec('gateway-a', ['ss', '-Htan', 'state', 'connected', 'sport', '=', ':7000'])
      // The probe's ports; the edge's own health checks leave TIME-WAIT behind.
      const ours = stdout.split('\n').filter((line) => /:2\d{4}\s*$/.test(line) || /:30\d{3}\s*$/.test(line))
      expect(ours, 'connections left at the gateway').to.deep.equal([])
    })
  }

  it('an origin that the gateway does not allow: not measured, and a warning says why', async () => {
    const {replication, warnings} = await probe('10.77.3.21:1')
    expect(replication).to.equal(null)
    expect(warnings!.join(' ')).to.include('the gateway does not take the connection: origin-not-allowed')
  })

  it('the backup is gone: acknowledgements wait for nobody', async () => {
    const owner = await stage.paired('gateway')
    const backup = owner === 'a' ? 'b' : 'a'
    // Heartbeats are under way for 25 ms: none that is unread makes an RST of the dead backup's FIN, and those that come
    // after it leave no socket there, so a FIN of the owner's would be repeated for minutes.
    await stage.lab.setLink('gateway-replication', {rttMs: 50})
    stage.signal('gateway', backup, 'SIGKILL')
    await stage.until('gateway', owner, 'alone', ({solo}) => solo)
    // A FIN would be repeated after 200 ms and the link's round trip.
    await sleep(600)
    await apartFromBursts(accepted, ({addedMs}) => {
      expect(addedMs.p50, 'far from the 50 ms that a backup would take').to.be.below(20)
    })
    const host = `gateway-${owner}`
    const {stdout} = await stage.lab.exec(host, [...OVERLAY, 'gateway', 'status', '--name', host, '--json'])
    const {pair} = JSON.parse(stdout) as {pair: {datapath: Record<string, number>; solo: boolean}}
    expect(pair.solo).to.equal(true)
    expect(pair.datapath.linkClosed, 'who is alive closes the link without a packet').to.equal(0)
  })
})
