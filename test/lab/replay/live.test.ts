import {expect} from 'chai'

import {runLive} from '../../../src/lib/replay/live/run.js'
import {liveResultSchema, type LiveResult} from '../../../src/lib/replay/live/schema.js'
import {DEFAULT_PARAMETERS} from '../../../src/lib/replay/model/parameters.js'
import {wakeUpLatenessMs} from '../support/wake-up.js'
import {capturedConnection} from '../../unit/replay/captured-connection.js'

/** As in delay.test.ts. */
const KEEPS_TIME_MS = 0.2

describe('overlay replay --live', () => {
  let live: LiveResult
  /** How late the machine's own timers were before. */
  let machineMs: number

  before(async () => {
    machineMs = await wakeUpLatenessMs()
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

  it('measures the handshake saving that is modelled', async () => {
    // Twice what is called agreement, on a machine that keeps time before and after; elsewhere half of a round trip, since
    // each of some ten waits on the way is late by what its timers are.
    const boundMs = Math.max(machineMs, await wakeUpLatenessMs()) < KEEPS_TIME_MS ? 4 : 12
    for (const {path, replicationAckMs, handshakeSavedMs} of live.rows) {
      if (handshakeSavedMs === null) continue
      // Less what programs take here (docs/REPLAY.md).
      expect(Math.abs(handshakeSavedMs.unexplainedMs!.p50), `${path} ${replicationAckMs}`).to.be.below(boundMs)
    }
  })

  it('and what the replication-ack latency takes of it', () => {
    const [at0, at20] = live.rows.slice(-2).map(({handshakeSavedMs}) => handshakeSavedMs!.measured!.p50)
    // Once the 20 ms, and not twice. What waits for them is woken late on a busy machine.
    expect(at0 - at20).to.be.within(16, 30)
  })
})
