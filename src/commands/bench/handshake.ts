import {Flags} from '@oclif/core'
import ora from 'ora'

import {benchHandshake} from '../../lib/bench/handshake-bench.js'
import {LONGEST, REQUEST_HEADER} from '../../lib/bench/exchange.js'
import {renderHandshakeBench} from '../../lib/bench/render.js'
import {DEFAULT_PATHS, PATH_NAMES, type HandshakeBench} from '../../lib/bench/schema.js'
import {OverlayCommand} from '../../lib/cli/base-command.js'
import {ExitCode} from '../../lib/errors/index.js'

const rtt = (link: string, ms: number) =>
  Flags.integer({description: `round trip of the link ${link}, in ms`, default: ms, min: 0, max: 2000})

export default class BenchHandshake extends OverlayCommand<HandshakeBench> {
  static override summary = 'Measure how soon a request reaches the origin: direct, split, zero-RTT, HAProxy, nginx'

  static override description = `Builds a lab of its own, sends requests over each path in turn, and removes the lab.

Every path runs over the same links, with the same congestion control on every socket; the order of the paths changes from round to round. A path whose program is not installed is skipped and says so. haproxy-zero-rtt is the HAProxy pair with overlay's handshake plane on its interfaces; ask for it without zero-rtt. Needs root. Ends with exit code 6 when a path that was not skipped has no good sample.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --rounds 3 --path direct --path zero-rtt',
    '<%= config.bin %> <%= command.id %> --edge-gateway-rtt 300 --json',
  ]

  static override flags = {
    'client-edge-rtt': rtt('client-edge', 10),
    'edge-gateway-rtt': rtt('edge-gateway', 80),
    'gateway-origin-rtt': rtt('gateway-origin', 2),
    path: Flags.string({
      description: 'measure only this path; repeat for several',
      multiple: true,
      options: [...PATH_NAMES],
    }),
    'request-bytes': Flags.integer({
      description: 'size of a request; default 100, 4096 and 65536',
      multiple: true,
      min: REQUEST_HEADER,
      max: LONGEST,
    }),
    rounds: Flags.integer({description: 'how often every path is measured', default: 10, min: 1, max: 1000}),
    repeats: Flags.integer({description: 'requests after the first in each round', default: 3, min: 1, max: 1000}),
    'congestion-control': Flags.string({
      description: 'for every socket of every host; reno is the one that any namespace may use',
      default: 'reno',
    }),
  }

  protected override async perform(): Promise<HandshakeBench> {
    const {flags} = await this.parse(BenchHandshake)
    const spinner = ora({stream: process.stderr, isEnabled: process.stderr.isTTY, discardStdin: false}).start()
    try {
      const bench = await benchHandshake({
        rttMs: {
          clientEdge: flags['client-edge-rtt'],
          edgeGateway: flags['edge-gateway-rtt'],
          gatewayOrigin: flags['gateway-origin-rtt'],
        },
        requestSizes: [...new Set(flags['request-bytes'] ?? [100, 4096, 65_536])].sort((a, b) => a - b),
        paths: flags.path === undefined ? DEFAULT_PATHS : PATH_NAMES.filter((name) => flags.path?.includes(name)),
        rounds: flags.rounds,
        repeats: flags.repeats,
        congestionControl: flags['congestion-control'],
        progress(what) {
          spinner.text = what
        },
      })
      if (bench.paths.some((path) => path.skipped === undefined && path.firstByteMs === null)) {
        this.conclude(ExitCode.Inconclusive)
      }

      return bench
    } finally {
      spinner.stop()
    }
  }

  protected override render(bench: HandshakeBench): string {
    return renderHandshakeBench(bench)
  }
}
