import {expect} from 'chai'

import {benchWan} from '../../../src/lib/bench/wan-bench.js'
import {renderWanBench} from '../../../src/lib/bench/wan-render.js'
import {WAN_PATHS, wanBenchSchema} from '../../../src/lib/bench/wan-schema.js'

const RTT_MS = 30

describe('bench wan', () => {
  it('moves transfers over a long middle leg both ways, and zero-RTT has its first byte a round trip sooner', async () => {
    const bench = await benchWan({
      conditions: [
        {rttMs: RTT_MS, lossPercent: 0},
        {rttMs: RTT_MS, lossPercent: 2},
      ],
      bytes: [20_000],
      directions: ['up', 'down'],
      paths: WAN_PATHS,
      rounds: 2,
      rateMbit: 100,
      queueBytes: 1_048_576,
      congestionControl: 'reno',
      limitMs: 60_000,
    })
    wanBenchSchema.parse(bench)
    expect(bench).to.deep.include({roundsPlayed: 2, skipped: []})
    const kinds = bench.cases.map(({lossPercent, bytes, direction, contact}) =>
      [lossPercent, bytes, direction, contact].join(' '),
    )
    expect(kinds).to.deep.equal(
      [0, 2].flatMap((loss) =>
        ['20000 up first', '20000 up later', '20000 down first', '20000 down later'].map((kind) => `${loss} ${kind}`),
      ),
    )
    for (const {lossPercent, direction, paths, sooner} of bench.cases) {
      for (const path of paths) {
        expect(path, path.name).to.deep.include({failed: 0, messages: []})
        expect(path.ms!.rounds).to.have.length(2)
        expect(path.firstByteMs === null).to.equal(direction === 'up')
        if (lossPercent === 0) expect(path.lostPackets!.highest).to.equal(0)
        // Nothing comes sooner than the links let it.
        expect(path.ms!.lowest).to.be.above(RTT_MS)
      }

      // A busy machine can only delay; the best of the rounds shows the handshake that is not waited for.
      if (lossPercent === 0 && direction === 'down') expect(sooner.firstByteMs!.highest).to.be.above(RTT_MS / 2)
    }

    const lost = bench.cases.flatMap(({paths}) => paths.map(({lostPackets}) => lostPackets!.highest))
    expect(Math.max(...lost)).to.be.above(0)
    expect(
      renderWanBench(bench)
        .split('\n')
        .filter((line) => / (first|later) /.test(line)),
    ).to.have.length.least(8)
  })

  it('begins nothing when its time is up, and says how far it came', async () => {
    const bench = await benchWan({
      conditions: [{rttMs: 10, lossPercent: 0}],
      bytes: [10_000],
      directions: ['down'],
      paths: ['haproxy'],
      rounds: 5,
      rateMbit: 100,
      queueBytes: 1_048_576,
      congestionControl: 'reno',
      limitMs: 0,
    })
    wanBenchSchema.parse(bench)
    expect(bench.roundsPlayed).to.equal(0)
    expect(bench.cases.map(({paths}) => paths)).to.deep.equal([[], []])
  })
})
