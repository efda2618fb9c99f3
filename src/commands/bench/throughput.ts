import {BULK_FLAGS, LOAD_FLAGS, LoadBenchCommand, PROCESSES_FLAG, bulkOf} from '../../lib/bench/load-command.js'
import type {LoadPath, ThroughputBench} from '../../lib/bench/load-schema.js'
import {benchThroughput} from '../../lib/bench/throughput-bench.js'

const PATHS: readonly LoadPath[] = ['direct', 'zero-rtt', 'haproxy', 'haproxy-splice', 'nginx']

export default class BenchThroughput extends LoadBenchCommand<ThroughputBench> {
  static override summary = 'Measure bulk through edge and gateway beside pairs of HAProxy and nginx'

  static override description = `Builds a lab whose links are bridges, sends for a time over each path in turn, and removes the lab. The ratios are to HAProxy in the same round; haproxy-splice is HAProxy with option splice-request and splice-response. Needs root, and about two minutes. Warns when the machine was too busy to tell. Ends with exit code 6 when a path that was not skipped has no good round.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --streams 1 --direction down --congestion-control bbr',
    '<%= config.bin %> <%= command.id %> --path zero-rtt --path haproxy-splice --rounds 15 --json',
  ]

  static override flags = {
    ...LOAD_FLAGS,
    ...BULK_FLAGS,
    processes: PROCESSES_FLAG,
  }

  protected override async perform(): Promise<ThroughputBench> {
    const {flags} = await this.parse(BenchThroughput)
    return this.measure((progress) =>
      benchThroughput({
        ...this.common(flags, PATHS),
        ...bulkOf(flags),
        processes: flags.processes,
        progress,
      }),
    )
  }
}
