import ora from 'ora'

import {BULK_FLAGS, LOAD_FLAGS, bulkOf} from '../../lib/bench/load-command.js'
import {mainFigure, noiseOf} from '../../lib/bench/noise.js'
import {benchReplication} from '../../lib/bench/replication-bench.js'
import {renderReplicationBench} from '../../lib/bench/replication-render.js'
import type {ReplicationBench} from '../../lib/bench/replication-schema.js'
import {OverlayCommand} from '../../lib/cli/base-command.js'
import {ExitCode} from '../../lib/errors/index.js'

export default class BenchReplication extends OverlayCommand<ReplicationBench> {
  static override summary = 'Measure what a backup costs: throughput, CPU and acknowledgements beside an edge alone'

  static override description = `Builds two labs whose links are bridges, one whose edge is a pair and one whose edge is alone, sends for a time over each in turn, and removes them. Then it takes the time that acknowledgements wait for the backup, beside the round trip of the replication link by itself. A transfer during which the pair was not whole counts as failed. "bench failover" measures links with delay and what a kill costs. Needs root. Warns when the machine was too busy to tell. Ends with exit code 6 when there is no good round.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --streams 1 --direction up --congestion-control bbr',
    '<%= config.bin %> <%= command.id %> --ms 2000 --rounds 15 --json',
  ]

  static override flags = {
    rounds: LOAD_FLAGS.rounds,
    'congestion-control': LOAD_FLAGS['congestion-control'],
    ...BULK_FLAGS,
  }

  protected override async perform(): Promise<ReplicationBench> {
    const {flags} = await this.parse(BenchReplication)
    const spinner = ora({stream: process.stderr, isEnabled: process.stderr.isTTY, discardStdin: false}).start()
    try {
      const bench = await benchReplication({
        ...bulkOf(flags),
        rounds: flags.rounds,
        congestionControl: flags['congestion-control'],
        progress(what) {
          spinner.text = what
        },
      })
      spinner.stop()
      for (const warning of noiseOf(bench, ['alone'])) this.note(warning)
      const {cases, ack} = bench
      const poor = cases.some(({paths}) => paths.some((path) => mainFigure(path) === null))
      if (poor || ack.addedMs === null) this.conclude(ExitCode.Inconclusive)
      return bench
    } finally {
      spinner.stop()
    }
  }

  protected override render(bench: ReplicationBench): string {
    return renderReplicationBench(bench)
  }
}
