import {expect} from 'chai'

import {Content} from '../../../../src/lib/failover/content.js'
import {Act} from '../../../../src/lib/replay/live/act.js'
import {compareRows, explain, within, type PathSamples} from '../../../../src/lib/replay/live/compare.js'
import {fill, planLive} from '../../../../src/lib/replay/live/plan.js'
import {runLive} from '../../../../src/lib/replay/live/run.js'
import {DEFAULT_PARAMETERS} from '../../../../src/lib/replay/model/parameters.js'
import {capturedConnection} from '../captured-connection.js'

const PARAMETERS = DEFAULT_PARAMETERS
const times = (handshakeMs: number) => ({connectMs: 1, handshakeMs, firstByteMs: handshakeMs * 2, completedMs: null})
const samples = (path: PathSamples['path'], ackMs: number | null, ...pairs: [number, number][]): PathSamples => ({
  path,
  replicationAckMs: ackMs,
  atRest: [],
  samples: pairs.map(([measured, modelled], connection) => ({
    connection,
    measured: times(measured),
    modelled: times(modelled),
  })),
  errors: [],
})
const resting = (path: PathSamples['path'], ackMs: number | null, ms: number): PathSamples => ({
  ...samples(path, ackMs),
  atRest: [times(ms)],
})

describe('what is played live', () => {
  it('connections of nearly one round trip share links', () => {
    const connections = [80, 81, 40, 40.5, 200].map((rtt, index) =>
      capturedConnection({id: index + 1, serverRttMs: rtt, clientRttMs: 0}),
    )
    const {groups} = planLive(connections, {parameters: PARAMETERS, connections: 10, speedUp: 2})
    expect(groups.map(({rttMs, connections: own}) => [rttMs, own.length])).to.deep.equal([
      [40.25, 2],
      [80.5, 2],
      [200, 1],
    ])
    expect(groups[0].connections[0].turns[0]).to.deep.equal({from: 'client', bytes: 300, thinkMs: 0.5})
  })

  it('says what is left out', () => {
    const large = capturedConnection().turns.map((turn) => ({...turn, bytes: 9 << 20}))
    const connections = [
      ...Array.from({length: 5}, (_, index) => capturedConnection({id: index})),
      capturedConnection({excluded: 'mid-stream'}),
      capturedConnection({turns: large}),
      capturedConnection({refused: true}),
    ]
    const plan = planLive(connections, {parameters: PARAMETERS, connections: 2, speedUp: 1})
    expect(plan.groups.flatMap((group) => group.connections.map(({captured}) => captured.id))).to.deep.equal([0, 2])
    expect(plan.leftOut).to.deep.equal([
      {reason: 'mid-stream', connections: 1},
      {reason: 'too many bytes', connections: 1},
      {reason: 'refused', connections: 1},
      {reason: 'beyond --connections', connections: 3},
    ])
  })

  it('bytes that were not captured are filled with known ones', () => {
    const content = new Content(7, 0)
    const captured = {bytes: Buffer.from('abcd\0\0gh'), missing: [{from: 4, to: 6}]}
    const bytes = fill(captured, content, 100_000)
    expect(bytes.subarray(0, 4).toString()).to.equal('abcd')
    expect(bytes.subarray(4, 6).equals(content.slice(4, 2))).to.equal(true)
    expect(content.differs(8, bytes.subarray(8))).to.equal(-1)
    expect(fill(captured, content, 3).toString()).to.equal('abc')
  })

  it('refuses parameters that overlay is not built for', async () => {
    const options = {connections: 1, concurrency: 1, repeats: 1, speedUp: 1, deadlineMs: 1000}
    for (const changes of [{synAck: 'withheld' as const}, {pairs: ['gateway' as const]}, {growth: 1.5}]) {
      const error = await runLive([capturedConnection()], {...options, parameters: {...PARAMETERS, ...changes}}).then(
        () => null,
        (error_: {code: string}) => error_.code,
      )
      expect(error).to.equal('USAGE')
    }
  })
})

describe('measured beside modelled', () => {
  it('compares savings connection by connection, less what is no round trip', () => {
    const rows = compareRows([
      {...samples('direct', null, [83, 80], [41, 40]), atRest: [times(1)]},
      {...samples('zero-rtt', null, [12, 10], [7, 5]), atRest: [times(2), times(1.5), times(9)]},
      {...samples('zero-rtt', 20, [34, 30], [40, 25]), atRest: [times(3)]},
      samples('split', null, [83, 80], [41, 40]),
    ])
    expect(rows[0]).to.deep.include({handshakeSavedMs: null, agrees: null})
    const zeroRtt = rows[1].handshakeSavedMs!
    expect(zeroRtt.differenceMs).to.deep.equal({mean: 0, p50: -1, p90: 1})
    expect(zeroRtt.programsMs).to.equal(-1)
    expect(zeroRtt.unexplainedMs).to.deep.equal({mean: 1, p50: 0, p90: 2})
    expect(rows[1].firstByteSavedMs!.programsMs).to.equal(-2)
    expect(rows[1].agrees).to.equal(true)
    expect(rows[2].handshakeSavedMs!.differenceMs!.p50).to.equal(-14)
    expect(rows[2].handshakeSavedMs!.unexplainedMs!.p50).to.equal(-12)
    expect(rows[2].agrees).to.equal(false)
    // Without a measurement at rest there is no telling.
    expect(rows[3].handshakeSavedMs).to.deep.include({programsMs: null, unexplainedMs: null})
    expect(rows[3].agrees).to.equal(null)
  })

  it('2 ms or 3 %, the greater of the two', () => {
    expect([within(2, 10), within(-2, 10), within(2.1, 10), within(2.9, 100), within(3.1, 100)]).to.deep.equal([
      true,
      true,
      false,
      true,
      false,
    ])
  })

  it('says what a handshake takes at rest: ends, relays, a pair', () => {
    expect(
      explain([resting('direct', null, 3), resting('zero-rtt', null, 4), resting('zero-rtt', 0, 5.5)]),
    ).to.deep.equal({directMs: 3, relaysMs: 1, pairMs: 1.5})
    expect(explain([])).to.deep.equal({directMs: null, relaysMs: null, pairMs: null})
  })

  it('of several plays of a connection the shortest time counts, and none of one that failed', () => {
    const [one, other] = planLive([capturedConnection({id: 1}), capturedConnection({id: 2})], {
      parameters: PARAMETERS,
      connections: 2,
      speedUp: 1,
    }).groups[0].connections
    const act = new Act('zero-rtt', 5)
    for (const ms of [12, 10, 11]) act.add(one, times(ms), times(9))
    act.add(other, times(10), times(9))
    act.fail(other, 'client: ECONNRESET')
    expect(act.samples([one, other])).to.deep.equal([{connection: 1, measured: times(10), modelled: times(9)}])
    expect(act.errors([one, other])).to.deep.equal(['client: ECONNRESET'])
    expect(act.hasFailed(other)).to.equal(true)
  })
})
