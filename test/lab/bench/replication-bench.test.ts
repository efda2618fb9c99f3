import {expect} from 'chai'

import {benchReplication} from '../../../src/lib/bench/replication-bench.js'
import {renderReplicationBench} from '../../../src/lib/bench/replication-render.js'
import {replicationBenchSchema} from '../../../src/lib/bench/replication-schema.js'

describe('bench replication', () => {
  it('moves bytes with a backup and without, all of them to the backup too, and takes acknowledgements', async () => {
    const bench = await benchReplication({
      directions: ['up', 'down'],
      streams: [3],
      ms: 100,
      rounds: 1,
      congestionControl: 'reno',
    })
    replicationBenchSchema.parse(bench)
    expect(bench.cases.map(({streams, direction}) => `${streams} ${direction}`)).to.deep.equal(['3 up', '3 down'])
    for (const {paths} of bench.cases) {
      expect(paths.map(({name}) => name)).to.deep.equal(['alone', 'pair'])
      for (const path of paths) {
        expect(path, path.name).to.deep.include({failed: 0, messages: []})
        expect(path.gbitPerSecond!.lowest, path.name).to.be.above(0)
      }

      const [alone, pair] = paths
      expect(alone.replicatedPerByte).to.equal(null)
      expect(pair.replicatedPerByte!.lowest).to.be.least(1)
      expect(pair.gbitPerSecond!.ratios.map(({to}) => to)).to.deep.equal(['alone'])
    }

    expect(bench.journalHighestBytes).to.be.above(0)
    const {aloneMs, pairMs, addedMs, linkRttMs} = bench.ack
    // No acknowledgement leaves before the backup's has come: not sooner than the link lets it.
    expect(pairMs!.p50).to.be.above(linkRttMs!.p50)
    expect(aloneMs!.p50).to.be.above(0)
    expect(addedMs!.lowest).to.be.at.most(addedMs!.highest)
    expect(renderReplicationBench(bench)).to.match(/^pair +\d/m)
  })
})
