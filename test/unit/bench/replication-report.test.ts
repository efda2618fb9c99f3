import {expect} from 'chai'

import type {Figure} from '../../../src/lib/bench/load-schema.js'
import {noiseOf} from '../../../src/lib/bench/noise.js'
import {renderReplicationBench} from '../../../src/lib/bench/replication-render.js'
import {replicationBenchSchema, type ReplicationBench} from '../../../src/lib/bench/replication-schema.js'
import {parseSentBytes} from '../../../src/lib/bench/replication-side.js'

const figure = (rounds: number[], to?: number): Figure<'alone'> => ({
  median: rounds[0],
  lowest: Math.min(...rounds),
  highest: Math.max(...rounds),
  rounds,
  ratios: to === undefined ? [] : [{to: 'alone', median: to, lowest: to - 0.1, highest: to + 0.1}],
})

function bench(alone = [10, 10.1, 9.9]): ReplicationBench {
  return replicationBenchSchema.parse({
    bench: 'replication',
    links: 'bridge',
    congestionControl: 'reno',
    rounds: 3,
    ms: 500,
    machine: {stealShare: 0.001, othersShare: 0.012},
    cases: [
      {
        direction: 'up',
        streams: 1,
        loadShare: 0.5,
        paths: [
          {
            name: 'alone',
            failed: 0,
            messages: [],
            gbitPerSecond: figure(alone),
            cpuSecondsPerGb: figure([0.2]),
            replicatedPerByte: null,
          },
          {
            name: 'pair',
            failed: 1,
            messages: ['the pair did not stay whole'],
            gbitPerSecond: figure([8], 0.8),
            cpuSecondsPerGb: figure([0.4], 2),
            replicatedPerByte: figure([1.002]),
          },
        ],
      },
    ],
    ack: {
      aloneMs: {p50: 0.02, p90: 0.03, p99: 0.05},
      pairMs: {p50: 0.22, p90: 0.3, p99: 0.5},
      addedMs: {median: 0.2, lowest: 0.18, highest: 0.25},
      linkRttMs: {p50: 0.04, p90: 0.05, p99: 0.09},
      goalMs: 0.36,
    },
    journalHighestBytes: 1_234_567,
  })
}

describe('report of bench replication', () => {
  it('has a table for each case, and what acknowledgements wait beside the link by itself', () => {
    const lines = renderReplicationBench(bench()).split('\n')
    expect(lines).to.include('1 stream up')
    expect(lines.find((line) => line.startsWith('path'))).to.match(
      /^path +Gbit\/s +to alone +CPU s\/GB +to alone +replicated per byte +to alone$/,
    )
    expect(lines.find((line) => line.startsWith('pair '))).to.match(
      /^pair +8\.00 +0\.80 \(0\.70 to 0\.90\) +0\.400 +2\.00 \(1\.90 to 2\.10\) +1\.002 +-$/,
    )
    expect(lines).to.include('1 up, pair: 1 failed: the pair did not stay whole')
    expect(lines.find((line) => line.startsWith('link, round trip'))).to.match(/ 0\.040 +0\.050 +0\.090$/)
    expect(lines.join('\n')).to.contain(
      'p50: 0.200 ms (0.180 to 0.250); 1.5 round trips of the link and 0.3 ms: 0.360 ms',
    )
    expect(lines.join('\n')).to.contain('held at a time: 1234567 bytes')
  })

  it('an edge alone that differs from round to round is told of', () => {
    expect(noiseOf(bench(), ['alone'])).to.deep.equal([])
    expect(noiseOf(bench([10, 7, 13]), ['alone'])[0])
      .to.contain('alone')
      .and.contain('60 %')
  })

  it('bytes sent on an interface are read from /proc/PID/net/dev', () => {
    const text = [
      'Inter-|   Receive                                                |  Transmit',
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
      '    lo:     100       1    0    0    0     0          0         0      200       2    0    0    0     0       0          0',
      'to-edge-b: 4000      40    0    0    0     0          0         0    50000     500    0    0    0     0       0          0',
    ].join('\n')
    expect(parseSentBytes(text, 'to-edge-b')).to.equal(50_000)
    expect(parseSentBytes(text, 'to-edge')).to.equal(0)
  })
})
