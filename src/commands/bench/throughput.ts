import {Flags} from '@oclif/core'

import {LOAD_FLAGS, LoadBenchCommand, PROCESSES_FLAG} from '../../lib/bench/load-command.js'
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
    streams: Flags.integer({
      description: 'connections that send at a time; repeat for several cases; default 1 and 8',
      multiple: true,
      min: 1,
      max: 256,
    }),
    direction: Flags.string({description: 'from the client (up) or to it; default both', options: ['up', 'down']}),
    ms: Flags.integer({description: 'how long one transfer lasts, ms', default: 500, min: 10, max: 600_000}),
    processes: PROCESSES_FLAG,
  }

  protected override async perform(): Promise<ThroughputBench> {
    const {flags} = await this.parse(BenchThroughput)
    return this.measure((progress) =>
      benchThroughput({
        ...this.common(flags, PATHS),
        directions: flags.direction === undefined ? ['up', 'down'] : [flags.direction as 'down' | 'up'],
        streams: [...new Set(flags.streams ?? [1, 8])].sort((a, b) => a - b),
        ms: flags.ms,
        processes: flags.processes,
        progress,
      }),
    )
  }
}
