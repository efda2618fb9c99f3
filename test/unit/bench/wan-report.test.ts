import {expect} from 'chai'

import type {Figure} from '../../../src/lib/bench/load-schema.js'
import {conditionsOf, parseLoss} from '../../../src/lib/bench/wan-matrix.js'
import {renderWanBench} from '../../../src/lib/bench/wan-render.js'
import {wanBenchSchema, type WanBench, type WanPath} from '../../../src/lib/bench/wan-schema.js'
import {OverlayError} from '../../../src/lib/errors/index.js'

const figure = (rounds: number[], to?: number): Figure<'haproxy'> => ({
  median: rounds[0],
  lowest: Math.min(...rounds),
  highest: Math.max(...rounds),
  rounds,
  ratios: to === undefined ? [] : [{to: 'haproxy', median: to, lowest: to - 0.1, highest: to + 0.1}],
})
const path = (name: WanPath, ms: Figure<'haproxy'>, failures: string[] = []) => ({
  name,
  failed: failures.length,
  messages: failures,
  ms,
  firstByteMs: null,
  lostPackets: figure([7]),
  queueDrops: figure([0]),
})
const spread = (median: number) => ({median, lowest: median - 0.1, highest: median + 0.1})

function bench(): WanBench {
  return wanBenchSchema.parse({
    bench: 'wan',
    congestionControl: 'bbr',
    otherRttMs: 2,
    rateMbit: 100,
    queueBytes: 1_048_576,
    rounds: 7,
    roundsPlayed: 4,
    skipped: [],
    machine: {stealShare: 0.001, othersShare: 0.012},
    cases: [
      {
        rttMs: 80,
        lossPercent: 0.1,
        bytes: 1_000_000,
        direction: 'up',
        contact: 'first',
        loadShare: 0.1,
        paths: [path('zero-rtt', figure([600], 0.88)), path('split', figure([684], 1)), path('haproxy', figure([683]))],
        sooner: {ms: spread(83), firstByteMs: null},
        toSplitAfterHandshake: spread(0.99),
      },
      {
        rttMs: 300,
        lossPercent: 3,
        bytes: 1_000_000,
        direction: 'down',
        contact: 'later',
        loadShare: 0.1,
        paths: [path('zero-rtt', null, ['recv: ECONNRESET']), path('haproxy', figure([1683]))],
        sooner: {ms: null, firstByteMs: null},
        toSplitAfterHandshake: null,
      },
    ],
  })
}

describe('report of bench wan', () => {
  it('has a table for each kind of middle leg, with times, ratios and what was saved', () => {
    const lines = renderWanBench(bench()).split('\n')
    expect(lines).to.include('80 ms, 0.1 % lost each way').and.to.include('300 ms, 3 % lost each way')
    expect(lines[0]).to.contain('100 Mbit/s').and.to.contain('1048576 bytes')
    expect(lines[1]).to.contain('bbr on every socket, 4 of 7 rounds to their end')
    expect(lines.find((line) => line.includes(' up '))).to.match(
      /^1000000 +up +first +683 +600 +0\.88 \(0\.78 to 0\.98\) +684 +1\.00 \(.*\) +0\.99 \(0\.89 to 1\.09\) +83\.0 +-$/,
    )
    expect(lines.find((line) => / down +later/.test(line))).to.match(
      /^1000000 +down +later +1683 +- +- +- +- +- +- +-$/,
    )
    expect(lines).to.include(
      '300 ms, 3 % lost each way, 1000000 bytes down, later, zero-rtt: 1 failed: recv: ECONNRESET',
    )
  })

  it('leaves out the columns of what was not measured', () => {
    const alone = bench()
    for (const each of alone.cases) each.paths = each.paths.filter(({name}) => name === 'zero-rtt')
    const text = renderWanBench(alone)
    expect(text)
      .not.to.contain('after handshake')
      .and.not.to.match(/^.*contact.*haproxy/m)
  })
})

describe('matrix of bench wan', () => {
  it('is every round trip with every loss, each once', () => {
    expect(conditionsOf([80, 20, 80], [1, 0])).to.deep.equal([
      {rttMs: 20, lossPercent: 0},
      {rttMs: 20, lossPercent: 1},
      {rttMs: 80, lossPercent: 0},
      {rttMs: 80, lossPercent: 1},
    ])
  })

  it('a loss is a percentage up to 50', () => {
    expect(['0', '0.1', '50'].map((text) => parseLoss(text))).to.deep.equal([0, 0.1, 50])
    for (const text of ['', '-1', '50.1', '1%', 'NaN', '1e1', '0x1']) {
      expect(() => parseLoss(text), text)
        .to.throw(OverlayError, '--loss')
        .with.property('code', 'USAGE')
    }
  })
})
