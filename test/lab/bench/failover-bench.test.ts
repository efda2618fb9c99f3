import {expect} from 'chai'

import {benchFailover} from '../../../src/lib/bench/failover-bench.js'
import {renderFailoverBench} from '../../../src/lib/bench/failover-render.js'

describe('bench failover', () => {
  it('measures beside each other an edge alone and one with a backup, at each replication-ack latency', async () => {
    const bench = await benchFailover({rttMs: 4, replicationAckMs: [0, 30], rounds: 1, bytes: 1_000_000, kills: 0})
    expect(bench.rows.map(({replicationAckMs}) => replicationAckMs)).to.deep.equal([null, 0, 30])
    const [alone, , slow] = bench.rows
    expect(alone.upload).to.deep.equal({median: 1, lowest: 1, highest: 1})
    // No acknowledgement leaves before the backup's: it cannot come sooner than that.
    expect(slow.ackDelayMs!.p50).to.be.above(30)
    for (const {upload, download} of bench.rows) expect(Math.min(upload!.lowest, download!.lowest)).to.be.above(0)
    expect(
      renderFailoverBench(bench)
        .split('\n')
        .filter((line) => /^(none|0|30) /.test(line)),
    ).to.have.length(3)
  })
})
