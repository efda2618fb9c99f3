import {expect} from 'chai'

import {renderLoadBench} from '../../../src/lib/bench/load-render.js'
import {
  connectionsBenchSchema,
  latencyBenchSchema,
  memoryBenchSchema,
  throughputBenchSchema,
  type Figure,
  type ThroughputBench,
} from '../../../src/lib/bench/load-schema.js'
import {mainFigure, noiseOf} from '../../../src/lib/bench/noise.js'

const figure = (rounds: number[], to?: number): Figure => ({
  median: rounds[0],
  lowest: Math.min(...rounds),
  highest: Math.max(...rounds),
  rounds,
  ratios: to === undefined ? [] : [{to: 'haproxy', median: to, lowest: to - 0.1, highest: to + 0.1}],
})
const fine = {failed: 0, messages: []}
const common = {
  links: 'bridge',
  congestionControl: 'reno',
  rounds: 3,
  skipped: [{name: 'nginx', reason: 'nginx is not installed'}],
  machine: {stealShare: 0.001, othersShare: 0.012},
} as const

const path = (figures: object) => [{name: 'haproxy', ...fine, ...figures}]

function throughput(haproxy = [10, 10.2, 9.9]): ThroughputBench {
  return throughputBenchSchema.parse({
    bench: 'throughput',
    ...common,
    ms: 500,
    processes: 2,
    cases: [
      {
        direction: 'up',
        streams: 8,
        loadShare: 0.5,
        paths: [
          {name: 'direct', ...fine, gbitPerSecond: figure([40, 41, 39]), cpuSecondsPerGb: null},
          {name: 'zero-rtt', ...fine, gbitPerSecond: figure([30, 31, 29], 3), cpuSecondsPerGb: figure([0.25], 0.24)},
          {name: 'haproxy', ...fine, gbitPerSecond: figure(haproxy), cpuSecondsPerGb: figure([1.1])},
          {name: 'nginx', failed: 3, messages: ['recv: ECONNRESET'], gbitPerSecond: null, cpuSecondsPerGb: null},
        ],
      },
    ],
  })
}

describe('report of a load bench', () => {
  it('names what was measured, how, and every path with its ratios', () => {
    const lines = renderLoadBench(throughput()).split('\n')
    expect(lines[0]).to.contain('500 ms a transfer, 2 processes or threads for each relay')
    expect(lines).to.include('8 streams up')
    expect(lines.find((line) => line.startsWith('path'))).to.match(/Gbit\/s +to haproxy +CPU s\/GB +to haproxy$/)
    expect(lines.find((line) => line.startsWith('zero-rtt'))).to.match(
      /^zero-rtt +30\.00 +3\.00 \(2\.90 to 3\.10\) +0\.250 +0\.24 \(0\.14 to 0\.34\)$/,
    )
    expect(lines.find((line) => line.startsWith('direct'))).to.match(/^direct +40\.00 +- +- +-$/)
    expect(lines).to.include('nginx was skipped: nginx is not installed')
    expect(lines).to.include('8 streams up, nginx: 3 failed: recv: ECONNRESET')
    expect(lines.at(-1)).to.contain('other programs used 1.2 % of the processors').and.contain('took 0.1 %')
  })

  it('the other benches have tables of their own', () => {
    const texts = [
      connectionsBenchSchema.parse({
        bench: 'connections',
        ...common,
        ms: 700,
        clients: 32,
        bytes: 100,
        cases: [
          {
            processes: 1,
            loadShare: 0,
            paths: path({connectionsPerSecond: figure([7000]), cpuMsPerConnection: figure([0.1])}),
          },
        ],
      }),
      latencyBenchSchema.parse({
        bench: 'latency',
        ...common,
        ms: 700,
        processes: 1,
        connections: 16,
        bytes: 100,
        cases: [
          {
            inFlight: 1,
            loadShare: 0,
            paths: path({p50Ms: figure([0.1]), p99Ms: figure([0.2]), cpuMsPerExchange: figure([0.1])}),
          },
        ],
      }),
      memoryBenchSchema.parse({
        bench: 'memory',
        ...common,
        processes: 1,
        cases: [{connections: 4000, loadShare: 0, paths: path({kibPerConnection: figure([6.5])})}],
      }),
    ].map((bench) => renderLoadBench(bench))
    expect(texts[0])
      .to.match(/^one process or thread for each relay$/m)
      .and.match(/^haproxy +7000 +0\.100$/m)
    expect(texts[1])
      .to.match(/^1 under way at a time$/m)
      .and.match(/^haproxy +0\.100 +0\.200 +0\.100$/m)
    expect(texts[2])
      .to.match(/^4000 idle connections$/m)
      .and.match(/^haproxy +6\.50$/m)
  })
})

describe('noise of a load bench', () => {
  it('a quiet machine gives no warning', () => {
    expect(noiseOf(throughput())).to.deep.equal([])
  })

  it('a peer that differs from round to round, steal time and other programs are told of', () => {
    const bench = throughput([10, 7, 13])
    expect(noiseOf(bench)).to.have.length(1)
    expect(noiseOf(bench)[0]).to.contain('haproxy').and.contain('60 %')
    expect(noiseOf({...bench, machine: {stealShare: 0.03, othersShare: 0.2}})).to.have.length(3)
  })

  it('so is a client or an origin that is busy all the time', () => {
    const bench = throughput()
    bench.cases[0].loadShare = 0.99
    expect(noiseOf(bench)).to.deep.equal(['client or origin used 99 % of a processor: they may be what set the pace'])
  })

  it('what a path is about is its first figure', () => {
    const [, own, , nginx] = throughput().cases[0].paths
    expect(mainFigure(own)?.median).to.equal(30)
    expect(mainFigure(nginx)).to.equal(null)
    expect(mainFigure({name: 'direct'})).to.equal(null)
  })
})
