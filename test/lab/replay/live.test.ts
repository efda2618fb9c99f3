import {expect} from 'chai'

import {runLive} from '../../../src/lib/replay/live/run.js'
import {liveResultSchema, type LiveResult} from '../../../src/lib/replay/live/schema.js'
import {DEFAULT_PARAMETERS} from '../../../src/lib/replay/model/parameters.js'
import {capturedConnection} from '../../unit/replay/captured-connection.js'

describe('overlay replay --live', () => {
  let live: LiveResult

  before(async () => {
    const connections = Array.from({length: 6}, (_, index) =>
      capturedConnection({id: index + 1, serverRttMs: index < 3 ? 60 : 30, clientRttMs: 0}),
    )
    const text = Buffer.from('GET / HTTP/1.1\r\n\r\n'.padEnd(300))
    connections[0].payloads = {
      fromClient: {bytes: text, missing: []},
      fromServer: {bytes: Buffer.alloc(2000, 'x'), missing: [{from: 100, to: 200}]},
    }
    const parameters = {...DEFAULT_PARAMETERS, replicationAckMs: [0, 20]}
    live = await runLive(connections, {
      parameters,
      connections: 6,
      concurrency: 1,
      repeats: 5,
      speedUp: 1,
      deadlineMs: 90_000,
    })
  })

  it('plays every conversation over every path, its bytes checked at both ends', () => {
    liveResultSchema.parse(live)
    expect(live).to.include({connections: 6, complete: true, bytes: 6 * 5300})
    // Of the first the request and 1,900 bytes of the response were captured.
    expect(live.fillerBytes).to.equal(5 * 5300 + 3100)
    expect(live.rows.map(({path, replicationAckMs}) => [path, replicationAckMs])).to.deep.equal([
      ['direct', null],
      ['split', null],
      ['zero-rtt', null],
      ['zero-rtt', 0],
      ['zero-rtt', 20],
    ])
    for (const row of live.rows) expect(row).to.deep.include({played: 6, failed: 0, errorMessages: []})
  })

  it('measures the handshake saving that is modelled', () => {
    for (const {path, replicationAckMs, handshakeSavedMs} of live.rows) {
      if (handshakeSavedMs === null) continue
      // Twice what is called agreement: the shortest of five plays of each, on a machine that does other things too.
      expect(Math.abs(handshakeSavedMs.differenceMs!.p50), `${path} ${replicationAckMs}`).to.be.below(4)
    }
  })

  it('and what the replication-ack latency takes of it', () => {
    const [at0, at20] = live.rows.slice(-2).map(({handshakeSavedMs}) => handshakeSavedMs!.measured!.p50)
    // Once the 20 ms.
    expect(at0 - at20).to.be.within(16, 24)
  })
})
