import {Args} from '@oclif/core'
import ora from 'ora'

import {percentiles, type Percentiles} from '../lib/bench/percentiles.js'
import {OverlayCommand} from '../lib/cli/base-command.js'
import {ExitCode, OverlayError} from '../lib/errors/index.js'
import {analyse} from '../lib/replay/analysis/analyse.js'
import {renderConnections, renderSources} from '../lib/replay/analysis/render.js'
import type {Analysis} from '../lib/replay/connection.js'

type Result = Omit<Analysis, 'startNs'> & {
  /** UTC time of the first packet, ns since 1970. */
  startNs: string | null
  summary: {connections: number; handshakes: number; handshakeRttMs: Percentiles | null}
}

export default class Replay extends OverlayCommand<Result> {
  static override summary = 'Find every TCP connection of a capture and its handshake'

  static override description = `Reads pcap and pcapng, also gzipped, from files or standard input (-); several files are read one after the other, as one capture. Ends with exit code 2 when a capture is damaged, with everything that could be read.`

  static override examples = [
    '<%= config.bin %> <%= command.id %> web.pcap',
    'tcpdump -w - tcp | <%= config.bin %> <%= command.id %> - --json',
  ]

  static override strict = false

  static override args = {
    file: Args.string({description: 'a capture, or - for standard input; several may be given', required: true}),
  }

  protected override async perform(): Promise<Result> {
    const {argv} = await this.parse(Replay)
    const files = argv as string[]
    if (files.filter((file) => file === '-').length > 1) {
      throw new OverlayError('USAGE', 'standard input (-) can be read once')
    }

    const spinner = ora({stream: process.stderr, isEnabled: process.stderr.isTTY, discardStdin: false}).start()
    try {
      const {startNs, ...analysis} = await analyse(files, {
        onProgress(taken, packets) {
          spinner.text = `${Math.round(taken / 1e6)} MB, ${packets} packets`
        },
      })
      if (analysis.problems.length > 0) this.conclude(ExitCode.Usage)
      const rtts = analysis.connections.flatMap(({handshakeRttMs}) => (handshakeRttMs === null ? [] : [handshakeRttMs]))
      const summary = {
        connections: analysis.connections.length,
        handshakes: rtts.length,
        handshakeRttMs: percentiles(rtts),
      }
      return {...analysis, startNs: startNs === null ? null : String(startNs), summary}
    } finally {
      spinner.stop()
    }
  }

  protected override render(result: Result): string {
    return `${renderSources(result)}\n\n${renderConnections(result.connections)}`
  }
}
