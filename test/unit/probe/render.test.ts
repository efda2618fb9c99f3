import {expect} from 'chai'

import {renderProbe} from '../../../src/lib/probe/render.js'
import {probeSchema, type TargetReport} from '../../../src/lib/probe/schema.js'

const rtt = {min: 20, p50: 20.1, p90: 20.2, max: 21, mean: 20.15, stdev: 0.1, last: 20.1}
const report: TargetReport = {
  target: 'gateway.example.net:7000',
  address: '192.0.2.9',
  port: 7000,
  source: '10.0.0.1',
  device: 'eth0',
  verdict: 'zero-rtt',
  reasons: ['a reason'],
  advice: ['some advice'],
  zeroRtt: null,
  interrupted: true,
  handshake: {
    rttMs: rtt,
    sent: 4,
    received: 3,
    lossPercent: 25,
    refusals: [],
    answers: {synAck: 3, reset: 0, filtered: 0, unreachable: 0, silent: 1},
  },
  replication: {
    opening: 'zero-rtt',
    sent: 10,
    accepted: 9,
    pathRttMs: rtt,
    ackMs: {...rtt, p50: 28.5},
    addedMs: {min: 8.1, p50: 8.4, p90: 9, max: 11},
  },
  conditions: [
    {
      name: 'mss-clamped',
      what: 'the MSS was reduced',
      direction: 'outbound',
      evidence: 'echo',
      sent: 1460,
      arrived: 1300,
      hop: {ttl: 2, address: '10.0.0.2'},
    },
  ],
  variants: [
    {name: 'ecn', what: 'a SYN that asks for ECN', tries: 5, answered: false, arrived: null, detail: null},
    {name: 'early-ack', what: 'a bare ACK', tries: 1, answered: null, arrived: true, detail: 'a detail'},
  ],
  segmentSizes: {triedBytes: 1500, acceptedBytes: 1400, refusedBy: {from: '10.0.0.2', mtu: 1400}},
  path: [
    {ttl: 1, address: null, rttMs: null, target: false, changes: []},
    {ttl: 2, address: '192.0.2.9', rttMs: 20, target: true, changes: []},
  ],
  echo: {seenAs: '198.51.100.1', packets: 12, withheld: 0},
}

describe('report of a probe as text', () => {
  it('is made of reports that the schema knows', () => {
    expect(probeSchema.parse(report)).to.deep.equal(report)
  })

  it('says all that was found', () => {
    const lines = renderProbe(report).split('\n')
    for (const words of [
      /^gateway\.example\.net:7000 \(192\.0\.2\.9\) +25\.0 +4 +20\.100 +20\.150 +20\.000 +21\.000 +0\.100$/,
      /^gateway\.example\.net:7000: zero-rtt \(ended early\)$/,
      /^ {2}because: a reason$/,
      /^ {2}try: some advice$/,
      /replication, medians of 9 of 10 connections/,
      /^ +28\.500 ms {2}acknowledgement of the data/,
      /^ +8\.400 ms {2}what a pair adds \(p90 9\.000, worst 11\.000\)/,
      /condition mss-clamped, outbound: .* \(1460 became 1300\), first seen at hop 2, 10\.0\.0\.2$/,
      /the gateway's echo saw 12 packets, from 198\.51\.100\.1/,
      /^ecn +no +- +5 +a SYN that asks for ECN$/,
      /^early-ack +- +yes +1 +a bare ACK: a detail$/,
      /acknowledged up to 1400 bytes of 1500, .*10\.0\.0\.2 says that 1400 bytes pass$/,
      /^ +1 +no answer +-/,
      /^ +2 +192\.0\.2\.9 \(target\) +20\.000/,
    ]) {
      expect(
        lines.some((line) => words.test(line.trimEnd())),
        `${words}\n${lines.join('\n')}`,
      ).to.equal(true)
    }
  })

  it('of several targets has one table', () => {
    const text = renderProbe({targets: [report, {...report, target: 'other.example.net:1'}]})
    expect(text.match(/loss %/g)).to.have.lengthOf(1)
    expect(text).to.include('other.example.net:1: zero-rtt')
  })
})
