import {Flags} from '@oclif/core'
import ora from 'ora'

import {LONGEST_TRANSFER} from '../../lib/bench/load/request.js'
import {mainFigure, noiseOf} from '../../lib/bench/noise.js'
import {benchWan} from '../../lib/bench/wan-bench.js'
import {
  ALL_LOSS_PERCENT,
  ALL_RTT_MS,
  USUAL_LOSS_PERCENT,
  USUAL_RTT_MS,
  ascending,
  conditionsOf,
  parseLoss,
} from '../../lib/bench/wan-matrix.js'
import {renderWanBench} from '../../lib/bench/wan-render.js'
import {WAN_PATHS, type WanBench} from '../../lib/bench/wan-schema.js'
import {OverlayCommand} from '../../lib/cli/base-command.js'
import {ExitCode} from '../../lib/errors/index.js'

const MINUTES = {usual: 15, all: 120}

export default class BenchWan extends OverlayCommand<WanBench> {
  static override summary = 'Measure transfers over a long, slow, lossy middle leg, beside HAProxy'

  static override description = `Builds a lab, moves files of given lengths over each path in turn, and removes the lab. The middle leg has a round trip, a share of packets lost each way, and a rate. Transfers of the least length are also measured on first contact, when no host remembers a connection to another. The ratios are to HAProxy in the same round; split is the overlay with ordinary handshakes.

Without --all: a round trip of 80 ms with 0 and 1 % loss. With it: 20, 80 and 300 ms with 0, 0.1, 1 and 3 %. --minutes bounds it. Needs root. Warns when the machine was too busy to tell. Ends with exit code 6 when a case has no good transfer over a path that was not skipped.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --rtt 300 --loss 0 --loss 3 --bytes 1000000 --rounds 15',
    '<%= config.bin %> <%= command.id %> --all --json',
  ]

  static override flags = {
    all: Flags.boolean({description: 'the whole matrix of round trips and losses', exclusive: ['rtt', 'loss']}),
    rtt: Flags.integer({
      description: 'round trip of the middle leg, ms; repeat for several; default 80',
      multiple: true,
      min: 0,
      max: 2000,
    }),
    loss: Flags.string({
      description: 'packets lost on the middle leg, each way, in percent; repeat for several; default 0 and 1',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'PERCENT',
    }),
    bytes: Flags.integer({
      description: 'length of a transfer; repeat for several; default 1000000 and 50000000',
      multiple: true,
      min: 1,
      max: LONGEST_TRANSFER,
    }),
    direction: Flags.string({description: 'from the client (up) or to it; default both', options: ['up', 'down']}),
    path: Flags.string({
      description: 'measure only this path; repeat for several',
      multiple: true,
      options: [...WAN_PATHS],
    }),
    rate: Flags.integer({description: 'rate of the middle leg each way, Mbit/s', default: 100, min: 1, max: 500}),
    queue: Flags.integer({
      description: 'bytes that may wait at the middle leg, each way',
      default: 1_048_576,
      min: 10_000,
      max: 50_000_000,
    }),
    rounds: Flags.integer({description: 'how often every path is measured, in turns', default: 7, min: 1, max: 1000}),
    minutes: Flags.integer({
      description: `begin no transfer after so many minutes; default ${MINUTES.usual}, with --all ${MINUTES.all}`,
      min: 1,
      max: 1440,
    }),
    'congestion-control': Flags.string({description: 'for every socket of every host', default: 'bbr'}),
  }

  protected override async perform(): Promise<WanBench> {
    const {flags} = await this.parse(BenchWan)
    const {all, path, direction} = flags
    const loss = flags.loss?.map((text) => parseLoss(text))
    const minutes = flags.minutes ?? (all ? MINUTES.all : MINUTES.usual)
    const spinner = ora({stream: process.stderr, isEnabled: process.stderr.isTTY, discardStdin: false}).start()
    try {
      const bench = await benchWan({
        conditions: conditionsOf(
          flags.rtt ?? (all ? ALL_RTT_MS : USUAL_RTT_MS),
          loss ?? (all ? ALL_LOSS_PERCENT : USUAL_LOSS_PERCENT),
        ),
        bytes: ascending(flags.bytes ?? [1_000_000, 50_000_000]),
        directions: direction === undefined ? ['up', 'down'] : [direction as 'down' | 'up'],
        paths: WAN_PATHS.filter((name) => path === undefined || path.includes(name)),
        rounds: flags.rounds,
        rateMbit: flags.rate,
        queueBytes: flags.queue,
        congestionControl: flags['congestion-control'],
        limitMs: minutes * 60_000,
        progress(what) {
          spinner.text = what
        },
      })
      spinner.stop()
      this.#judge(bench, minutes)
      return bench
    } finally {
      spinner.stop()
    }
  }

  protected override render(bench: WanBench): string {
    return renderWanBench(bench)
  }

  #judge(bench: WanBench, minutes: number): void {
    for (const warning of noiseOf(bench, ['haproxy', 'split'])) this.note(warning)
    if (bench.roundsPlayed < bench.rounds) {
      this.note(`${bench.roundsPlayed} of ${bench.rounds} rounds were played to their end within ${minutes} min`)
    }

    const poor = bench.cases.some(({paths}) => paths.length === 0 || paths.some((path) => mainFigure(path) === null))
    if (poor) this.conclude(ExitCode.Inconclusive)
  }
}
