import {expect} from 'chai'

import {ORIGIN_PORTS, PairStage} from '../../../src/lib/failover/stage.js'
import {targetSchema, type Replication} from '../../../src/lib/probe/schema.js'
import {formatEndpoint} from '../../../src/lib/wire/endpoint.js'
import {OVERLAY, serve} from '../support/overlay.js'
import {apartFromBursts} from '../support/repeated.js'

const RTT_MS = 10
/** The echo server, past the edge: a target that has no pair. */
const ORIGIN = {address: '10.77.3.21', port: ORIGIN_PORTS[0]}

describe('overlay probe --replication-data: what an edge pair adds for its clients', () => {
  let stage: PairStage

  before(async () => {
    stage = await PairStage.up({pairs: ['edge'], family: 'ipv4', rttMs: RTT_MS})
    await serve(stage.lab, 'origin', ORIGIN.port)
  })

  after(() => stage?.down())

  const probe = async (target: {address: string; port: number}): Promise<Replication> => {
    const words = ['probe', formatEndpoint(target), '--replication-data', '\r\n', '--count', '10', '--interval', '20ms']
    const {code, stdout} = await stage.lab.exec('client', [...OVERLAY, ...words, '--json'])
    expect(code, stdout).to.equal(0)
    return targetSchema.parse(JSON.parse(stdout)).replication!
  }

  for (const replicationRttMs of [0, 8]) {
    it(`the replication link takes ${replicationRttMs} ms: acknowledgements come so much later than the path`, async () => {
      await stage.lab.setLink('edge-replication', {rttMs: replicationRttMs})
      await apartFromBursts(
        async () => {
          const replication = await probe(stage.service)
          expect(replication).to.deep.include({opening: 'ordinary', sent: 10, accepted: 10})
          return replication
        },
        ({ackMs, pathRttMs}) => {
          expect(pathRttMs.min).to.be.within(RTT_MS, RTT_MS + 5)
          // A busy machine delays either, and makes neither earlier: the least of both is compared.
          expect(ackMs.min - pathRttMs.min).to.be.within(replicationRttMs - 0.6, replicationRttMs + 5)
        },
      )
      const owner = await stage.paired('edge')
      const port = `:${stage.service.port}`
      const {stdout} = await stage.lab.exec(`edge-${owner}`, ['ss', '-Htan', 'state', 'connected', 'sport', '=', port])
      expect(stdout, 'connections left at the edge').to.equal('')
    })
  }

  it('a server without a pair acknowledges at once', async () => {
    await apartFromBursts(
      async () => {
        const replication = await probe(ORIGIN)
        expect(replication).to.deep.include({opening: 'ordinary', sent: 10, accepted: 10})
        return replication
      },
      ({pathRttMs, addedMs}) => {
        expect(pathRttMs.min).to.be.within(3 * RTT_MS, 3 * RTT_MS + 5)
        expect(addedMs.p50, 'far from the 40 ms of a delayed acknowledgement').to.be.within(-10, 20)
      },
    )
  })
})
