import {Flags} from '@oclif/core'

import {benchConnections} from '../../lib/bench/connections-bench.js'
import {LOAD_FLAGS, LoadBenchCommand} from '../../lib/bench/load-command.js'
import type {ConnectionsBench, LoadPath} from '../../lib/bench/load-schema.js'
import {SHORTEST_EXCHANGE} from '../../lib/bench/load/exchange-client.js'
import {LONGEST_ECHO} from '../../lib/bench/load/request.js'

const PATHS: readonly LoadPath[] = ['direct', 'zero-rtt', 'haproxy', 'nginx']

export default class BenchConnections extends LoadBenchCommand<ConnectionsBench> {
  static override summary = 'Measure new connections a second beside pairs of HAProxy and nginx'

  static override description = `Builds a lab whose links are bridges. Clients in a closed loop open a connection, send a request, read its answer and the end, and open the next, over each path in turn. The ratios are to HAProxy in the same round. Needs root, and about a minute. Warns when the machine was too busy to tell. Ends with exit code 6 when a path that was not skipped has no good round.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --processes 4 --clients 256 --rounds 15',
    '<%= config.bin %> <%= command.id %> --path split --path zero-rtt --path haproxy --json',
  ]

  static override flags = {
    ...LOAD_FLAGS,
    processes: Flags.integer({
      description:
        "of each relay: relay processes, HAProxy's threads, nginx's workers; repeat for several; default 1 and 2",
      multiple: true,
      min: 1,
      max: 64,
    }),
    clients: Flags.integer({description: 'connections open at a time', default: 32, min: 1, max: 4000}),
    bytes: Flags.integer({
      description: 'of a request, and of its answer',
      default: 100,
      min: SHORTEST_EXCHANGE,
      max: LONGEST_ECHO,
    }),
    ms: Flags.integer({description: 'how long a round of one path lasts, ms', default: 700, min: 10, max: 60_000}),
  }

  protected override async perform(): Promise<ConnectionsBench> {
    const {flags} = await this.parse(BenchConnections)
    return this.measure((progress) =>
      benchConnections({
        ...this.common(flags, PATHS),
        processes: [...new Set(flags.processes ?? [1, 2])].sort((a, b) => a - b),
        clients: flags.clients,
        bytes: flags.bytes,
        ms: flags.ms,
        progress,
      }),
    )
  }
}
