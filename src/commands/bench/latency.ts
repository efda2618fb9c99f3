import {Flags} from '@oclif/core'

import {benchLatency} from '../../lib/bench/latency-bench.js'
import {LOAD_FLAGS, LoadBenchCommand, PROCESSES_FLAG} from '../../lib/bench/load-command.js'
import type {LatencyBench, LoadPath} from '../../lib/bench/load-schema.js'
import {SHORTEST_EXCHANGE} from '../../lib/bench/load/exchange-client.js'
import {LONGEST_ECHO} from '../../lib/bench/load/request.js'
import {OverlayError} from '../../lib/errors/index.js'

const PATHS: readonly LoadPath[] = ['direct', 'zero-rtt', 'haproxy', 'nginx']

export default class BenchLatency extends LoadBenchCommand<LatencyBench> {
  static override summary = 'Measure how long a small exchange takes over kept connections, beside HAProxy and nginx'

  static override description = `Builds a lab whose links are bridges, keeps connections open over each path in turn, and asks on one after the other. Times are from sending a request to its whole answer, p50 and p99 of each round. The ratios are to HAProxy in the same round. Needs root, and about a minute. Warns when the machine was too busy to tell. Ends with exit code 6 when a path that was not skipped has no good round.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --connections 64 --in-flight 1 --in-flight 64',
    '<%= config.bin %> <%= command.id %> --path zero-rtt --path haproxy --rounds 15 --json',
  ]

  static override flags = {
    ...LOAD_FLAGS,
    connections: Flags.integer({description: 'kept open', default: 16, min: 1, max: 4000}),
    'in-flight': Flags.integer({
      description: 'exchanges under way at a time, at most --connections; repeat for several cases; default 1',
      multiple: true,
      min: 1,
      max: 4000,
    }),
    bytes: Flags.integer({
      description: 'of a request, and of its answer',
      default: 100,
      min: SHORTEST_EXCHANGE,
      max: LONGEST_ECHO,
    }),
    ms: Flags.integer({description: 'how long a round of one path lasts, ms', default: 1000, min: 10, max: 60_000}),
    processes: PROCESSES_FLAG,
  }

  protected override async perform(): Promise<LatencyBench> {
    const {flags} = await this.parse(BenchLatency)
    const inFlight = [...new Set(flags['in-flight'] ?? [1])].sort((a, b) => a - b)
    if (inFlight.at(-1)! > flags.connections) {
      throw new OverlayError(
        'USAGE',
        `--in-flight ${inFlight.at(-1)} is more than --connections ${flags.connections}`,
        {
          suggestions: [`--connections ${inFlight.at(-1)}`],
        },
      )
    }

    return this.measure((progress) =>
      benchLatency({
        ...this.common(flags, PATHS),
        processes: flags.processes,
        connections: flags.connections,
        inFlight,
        bytes: flags.bytes,
        ms: flags.ms,
        progress,
      }),
    )
  }
}
