import {expect} from 'chai'

import {benchConnections} from '../../../src/lib/bench/connections-bench.js'
import {benchLatency} from '../../../src/lib/bench/latency-bench.js'
import {renderLoadBench} from '../../../src/lib/bench/load-render.js'
import {
  connectionsBenchSchema,
  latencyBenchSchema,
  memoryBenchSchema,
  throughputBenchSchema,
  type Figure,
  type LoadBench,
} from '../../../src/lib/bench/load-schema.js'
import {benchMemory} from '../../../src/lib/bench/memory-bench.js'
import {mainFigure} from '../../../src/lib/bench/noise.js'
import {benchThroughput} from '../../../src/lib/bench/throughput-bench.js'

function expectRounds(figure: Figure, name: string, rounds: number): void {
  expect(figure?.rounds, name).to.have.length(rounds)
  expect(figure?.rounds, name).not.to.include(null)
  expect(figure?.highest, name).to.be.above(0)
  const to = figure?.ratios.map((ratio) => ratio.to as string) ?? []
  expect(to.includes('haproxy'), name).to.equal(name !== 'haproxy')
}

/** Every path has a value of each round, nothing failed, and the text has a line for each. */
function expectWhole(bench: LoadBench, names: readonly string[]): void {
  expect(bench.skipped).to.deep.equal([])
  const text = renderLoadBench(bench)
  for (const each of bench.cases) {
    expect(each.paths.map(({name}) => name)).to.deep.equal(names)
    for (const path of each.paths) {
      expect(path, path.name).to.deep.include({failed: 0, messages: []})
      expectRounds(mainFigure(path), path.name, bench.rounds)
      expect(text).to.match(new RegExp(`^${path.name} +\\d`, 'm'))
    }
  }
}

/** What is measured depends on the machine: these look at what moved, and never at how fast. */
describe('load benches', () => {
  const common = {rounds: 1, congestionControl: 'reno', warmUpMs: 100}

  it('throughput: bytes arrive over every path, both ways, over one stream and several', async () => {
    const paths = ['direct', 'zero-rtt', 'haproxy', 'haproxy-splice', 'nginx'] as const
    const directions = ['up', 'down'] as const
    const bench = await benchThroughput({...common, paths, directions, streams: [1, 4], ms: 50, processes: 1})
    throughputBenchSchema.parse(bench)
    expectWhole(bench, paths)
    expect(bench.cases.map(({streams, direction}) => `${streams} ${direction}`)).to.deep.equal([
      '1 up',
      '1 down',
      '4 up',
      '4 down',
    ])
    const relays = bench.cases[0].paths.map(({name, cpuSecondsPerGb}) => [name, cpuSecondsPerGb !== null])
    expect(relays).to.deep.equal(paths.map((name) => [name, name !== 'direct']))
  })

  it('connections: exchanges end whole over every path, with one process and with two', async () => {
    const paths = ['direct', 'zero-rtt', 'haproxy', 'nginx'] as const
    const bench = await benchConnections({...common, paths, processes: [1, 2], clients: 8, bytes: 100, ms: 100})
    connectionsBenchSchema.parse(bench)
    expectWhole(bench, paths)
    expect(bench.cases.map(({processes}) => processes)).to.deep.equal([1, 2])
  })

  it('latency: kept connections answer, one at a time and several', async () => {
    const paths = ['direct', 'split', 'haproxy', 'nginx'] as const
    const options = {processes: 1, connections: 8, inFlight: [1, 8], bytes: 100, ms: 100}
    const bench = await benchLatency({...common, ...options, paths})
    latencyBenchSchema.parse(bench)
    expectWhole(bench, paths)
    for (const {p50Ms, p99Ms} of bench.cases.flatMap((each) => each.paths)) {
      expect(p99Ms!.median).to.be.least(p50Ms!.median)
    }
  })

  it('memory: every relay holds the connections, and grows by them', async () => {
    const paths = ['zero-rtt', 'haproxy', 'nginx'] as const
    const bench = await benchMemory({...common, rounds: 1, paths, processes: 1, connections: [2000]})
    memoryBenchSchema.parse(bench)
    expectWhole(bench, paths)
  })
})
