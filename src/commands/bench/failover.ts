import {Flags} from '@oclif/core'
import ora from 'ora'

import {benchFailover, type FailoverBench} from '../../lib/bench/failover-bench.js'
import {renderFailoverBench} from '../../lib/bench/failover-render.js'
import {OverlayCommand} from '../../lib/cli/base-command.js'

export default class BenchFailover extends OverlayCommand<FailoverBench> {
  static override summary = 'Measure what a backup costs: ACK delay, throughput and pause, by replication-ack latency'

  static override description = `Builds two labs, one whose edge is a pair and one whose edge is alone, and measures in turns: how long a client waits for the acknowledgement of what it sent, how fast a long transfer is, and, when the owner is killed, how long connections pause. Needs root, and about three minutes.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --replication-ack 0 --replication-ack 2 --rounds 9 --json',
  ]

  static override flags = {
    rtt: Flags.integer({
      description: 'round trip of each of the three links of the path, ms',
      default: 10,
      min: 0,
      max: 1000,
    }),
    'replication-ack': Flags.integer({
      description: 'round trip of the replication link, ms; repeat for several; default 0, 1, 5 and 20',
      multiple: true,
      min: 0,
      max: 1000,
    }),
    rounds: Flags.integer({description: 'how often each is measured', default: 5, min: 1, max: 1000}),
    bytes: Flags.integer({description: 'length of a transfer', default: 50_000_000, min: 100_000, max: 1_000_000_000}),
    kills: Flags.integer({description: 'of the owner, at each latency', default: 3, min: 0, max: 1000}),
  }

  protected async perform(): Promise<FailoverBench> {
    const {flags} = await this.parse(BenchFailover)
    const spinner = ora({stream: process.stderr, isEnabled: process.stderr.isTTY, discardStdin: false}).start()
    try {
      return await benchFailover({
        rttMs: flags.rtt,
        replicationAckMs: [...new Set(flags['replication-ack'] ?? [0, 1, 5, 20])].sort((a, b) => a - b),
        rounds: flags.rounds,
        bytes: flags.bytes,
        kills: flags.kills,
        progress(what) {
          spinner.text = what
        },
      })
    } finally {
      spinner.stop()
    }
  }

  protected render(bench: FailoverBench): string {
    return renderFailoverBench(bench)
  }
}
