import {expect} from 'chai'

import {ORIGIN_PORTS, PairStage} from '../../../src/lib/failover/stage.js'
import {connect, serve} from '../support/overlay.js'

const LIMIT = 3

describe('a pair whose edge turns clients away', function () {
  this.timeout(60_000)
  let stage: PairStage

  before(async () => {
    // The members find it in their environment, as every flag.
    process.env.OVERLAY_EDGE_MAX_CLIENT_CONNECTIONS = String(LIMIT)
    try {
      stage = await PairStage.up({pairs: ['edge'], family: 'ipv4'})
    } finally {
      delete process.env.OVERLAY_EDGE_MAX_CLIENT_CONNECTIONS
    }

    await serve(stage.lab, 'origin', ORIGIN_PORTS[0])
  })

  after(() => stage?.down())

  it('keeps its lease, and serves those that it turned away when they come again', async () => {
    const owner = await stage.paired('edge')
    const {epoch} = await stage.status('edge', owner)
    const many = {count: 60, parallel: 12, bytes: 20_000, timeoutMs: 5000}
    const crowd = await connect(stage.lab, 'client', {...stage.service, ...many})
    // Their own retransmissions bring them; some wait for longer than this client does.
    expect(crowd.ok).to.be.greaterThan(many.parallel)
    expect(await stage.paired('edge')).to.equal(owner)
    expect((await stage.status('edge', owner)).epoch).to.equal(epoch)
    const few = {count: 10, parallel: 1, bytes: 2000, timeoutMs: 10_000}
    expect(await connect(stage.lab, 'client', {...stage.service, ...few})).to.deep.include({ok: 10, errors: {}})
  })
})
