import {expect} from 'chai'

import type {ReplayConnection, SynOptions} from '../../../../src/lib/replay/connection.js'
import {modelConnections, segmentBytes} from '../../../../src/lib/replay/model/model-connections.js'
import {modelConversation, runModel, type ModelConnection} from '../../../../src/lib/replay/model/model.js'
import {DEFAULT_PARAMETERS} from '../../../../src/lib/replay/model/parameters.js'
import {modelResultSchema} from '../../../../src/lib/replay/model/schema.js'
import {capturedConnection} from '../captured-connection.js'
import {asJson} from '../example.js'

const connection = (rttMs: number, changes: Partial<ModelConnection> = {}): ModelConnection => ({
  id: 1,
  server: '192.0.2.1:80',
  rttMs,
  mssBytes: 1460,
  turns: [
    {from: 'client', bytes: 300, thinkMs: 0},
    {from: 'server', bytes: 5000, thinkMs: 0},
  ],
  ...changes,
})
const latencies = (...replicationAckMs: number[]) => ({...DEFAULT_PARAMETERS, replicationAckMs})

const syn = (mss: number | null, timestamps = true): SynOptions => ({
  mss,
  windowScale: 7,
  sackPermitted: true,
  timestamps,
  fastOpen: false,
})
const all = (...changes: Partial<ReplayConnection>[]) =>
  modelConnections(
    changes.map((change) => capturedConnection(change)),
    DEFAULT_PARAMETERS,
  )

const segment = (synOptions: SynOptions | null, synAckOptions: SynOptions | null): number =>
  segmentBytes(capturedConnection({synOptions, synAckOptions}))

describe('the model over a capture', () => {
  it('gives a row for each latency, each a distribution over connections', () => {
    const result = modelResultSchema.parse(asJson(runModel([connection(100), connection(50)], latencies(0, 10, 20))))
    expect(result.savings.map(({replicationAckMs}) => replicationAckMs)).to.deep.equal([0, 10, 20])
    // 0.88 of the round trip, less the latency.
    expect(result.savings.map(({handshakeSavedMs}) => handshakeSavedMs)).to.deep.equal([
      {mean: 66, p50: 44, p90: 88},
      {mean: 56, p50: 34, p90: 78},
      {mean: 46, p50: 24, p90: 68},
    ])
    expect(result.savings[1].firstByteSavedMs).to.deep.equal({mean: 56, p50: 34, p90: 78})
    expect(result.savings[1].split.handshakeSavedMs).to.deep.equal({mean: -10, p50: -10, p90: -10})
    expect(result.paths.map(({path}) => path)).to.deep.equal([
      'direct',
      'split',
      'zero-rtt',
      'split',
      'zero-rtt',
      'split',
      'zero-rtt',
    ])
  })

  it('finds the break-even of the capture and of each server', () => {
    const connections = [connection(10), connection(10), connection(100, {server: '192.0.2.2:443'})]
    const result = modelResultSchema.parse(asJson(runModel(connections, latencies(0, 5, 10, 20, 50))))
    expect(result.breakEvenReplicationAckMs).to.equal(35.2)
    expect(result.servers.map((row) => [row.server, row.connections, row.breakEvenReplicationAckMs])).to.deep.equal([
      ['192.0.2.1:80', 2, 8.8],
      ['192.0.2.2:443', 1, null],
    ])
    expect(result.servers[1].breakEven).to.equal('saves throughout')
  })

  it('without a connection there are rows without figures', () => {
    const result = modelResultSchema.parse(asJson(runModel([], latencies(0, 5))))
    expect(result.savings[0].handshakeSavedMs).to.equal(null)
    expect(result).to.deep.include({breakEvenReplicationAckMs: null, breakEven: 'nothing to model', servers: []})
  })

  it('a result that lacks a latency or has a word too many does not fit the schema', () => {
    const result = modelResultSchema.parse(asJson(runModel([connection(100)], latencies(0))))
    expect(modelResultSchema.safeParse({...result, more: 1}).success).to.equal(false)
    expect(modelResultSchema.safeParse({...result, savings: [{handshakeSavedMs: null}]}).success).to.equal(false)
  })

  it('a turn of 100 GB takes no longer than one of 16 MiB', () => {
    const turns = [
      {from: 'client' as const, bytes: 300, thinkMs: 0},
      {from: 'server' as const, bytes: 100e9, thinkMs: 0},
    ]
    expect(modelConversation(connection(100, {turns}), DEFAULT_PARAMETERS, 'direct', null)).to.deep.equal(
      modelConversation(
        connection(100, {turns: [turns[0], {...turns[1], bytes: 16 << 20}]}),
        DEFAULT_PARAMETERS,
        'direct',
        null,
      ),
    )
  })
})

describe('captured connections in the model', () => {
  it('a SYN that was sent again does not lengthen the path', () => {
    const {modelled} = all({handshakeRttMs: 1040, serverRttMs: 39, clientRttMs: 1, synRetransmissions: 1})
    expect(modelled.at(0)!.rttMs).to.equal(40)
  })

  it('those without a whole handshake, or met in mid-stream, are left out and counted', () => {
    const {modelled, leftOut} = all(
      {},
      {excluded: 'mid-stream'},
      {excluded: 'mid-stream'},
      {handshakeRttMs: null, clientRttMs: null},
    )
    expect(modelled).to.have.lengthOf(1)
    expect(leftOut).to.deep.equal([
      {reason: 'mid-stream', connections: 2},
      {reason: 'no whole handshake', connections: 1},
    ])
  })

  it('a full segment is the smaller offer, less timestamps where both have them', () => {
    expect(segment(syn(1460), syn(1400))).to.equal(1388)
    expect(segment(syn(1460), syn(1460, false))).to.equal(1460)
    expect(segment(syn(null, false), syn(1460))).to.equal(536)
    expect(segment(null, null)).to.equal(1460)
    expect(segment(syn(0), syn(0))).to.equal(48)
  })
})
