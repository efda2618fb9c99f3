import {Args, Flags} from '@oclif/core'
import ora from 'ora'

import {OverlayCommand} from '../lib/cli/base-command.js'
import {parseDuration} from '../lib/config/duration.js'
import {ExitCode, OverlayError} from '../lib/errors/index.js'
import type {Analysis} from '../lib/replay/connection.js'
import {DEFAULT_FILTER, withCapturedTraffic} from '../lib/replay/analysis/captured-traffic.js'
import {parametersFromFlags, parseNumber} from '../lib/replay/model/from-flags.js'
import {DEFAULT_PARAMETERS, type ModelParameters} from '../lib/replay/model/parameters.js'
import {renderReplay} from '../lib/replay/report/render.js'
import type {ReplayResult} from '../lib/replay/report/schema.js'
import {checkWritable} from '../lib/replay/report/write-report.js'
import {replay, type ReplayOptions} from '../lib/replay/replay.js'

const CAPTURE = 'capture'
const MODEL = 'model'
const LIVE = 'live'
const REPORT = 'report'

export default class Replay extends OverlayCommand<ReplayResult> {
  static override summary = 'What would the overlay have saved on captured traffic?'

  static override description = `Reads pcap and pcapng, also gzipped, from files or standard input (-); several files are read one after the other, as one capture. Finds every TCP connection and its handshake, and models how it would have opened directly, over a split connection, and over one with a zero-RTT middle leg, at each replication-ack latency. With --live the conversations are played through an overlay in a lab, and measured beside the model; that needs root. docs/REPLAY.md has the definitions and formulas.

Exit codes: 2 when a capture is damaged, with everything that could be read; with --live 3 when measured and modelled differ by more than 2 ms and 3 %, programs' own time taken off, and 6 when the deadline came first.`

  static override examples = [
    '<%= config.bin %> <%= command.id %> web.pcap',
    'tcpdump -w - tcp | <%= config.bin %> <%= command.id %> - --json',
    '<%= config.bin %> <%= command.id %> web.pcap --legs 10,80,2 --replication-ack 0,1,5 --html report.html',
    '<%= config.bin %> <%= command.id %> web.pcap --live --connections 10 --speed-up 10',
    '<%= config.bin %> <%= command.id %> --capture eth0 --duration 30s',
  ]

  static override strict = false

  static override args = {
    file: Args.string({description: 'a capture, or - for standard input; several may be given'}),
  }

  static override flags = {
    capture: Flags.string({
      description: 'take the traffic of this interface instead of a file; Ctrl-C ends it early; needs root',
      helpValue: 'INTERFACE',
      dependsOn: ['duration'],
      helpGroup: CAPTURE,
    }),
    duration: Flags.string({
      description: 'how long traffic is taken',
      helpValue: '30s',
      dependsOn: ['capture'],
      helpGroup: CAPTURE,
    }),
    filter: Flags.string({
      description: `what is taken, as tcpdump has it; default "${DEFAULT_FILTER}"`,
      helpValue: 'FILTER',
      dependsOn: ['capture'],
      helpGroup: CAPTURE,
    }),
    legs: Flags.string({
      description: 'round trips of client-edge, edge-gateway, gateway-origin in ms, for all connections',
      helpValue: '10,80,2',
      helpGroup: MODEL,
    }),
    'leg-shares': Flags.string({
      description: 'the same as shares of each measured round trip; default 0.1,0.88,0.02',
      helpValue: '0.1,0.88,0.02',
      helpGroup: MODEL,
    }),
    'path-stretch': Flags.string({
      description: 'length of the overlay’s path to the measured one; default 1',
      helpValue: '1.1',
      helpGroup: MODEL,
    }),
    'origin-connect': Flags.string({
      description: 'how long the gateway’s connect to the origin takes, ms; default one round trip of that leg',
      helpValue: 'MS',
      helpGroup: MODEL,
    }),
    'replication-ack': Flags.string({
      description: `latencies of a backup’s acknowledgement, ms; default ${DEFAULT_PARAMETERS.replicationAckMs.join(',')}`,
      helpValue: '0,1,5',
      helpGroup: MODEL,
    }),
    pairs: Flags.string({
      description: 'regions on two servers: edge, gateway or edge,gateway; default edge',
      helpValue: 'edge',
      helpGroup: MODEL,
    }),
    'syn-ack': Flags.string({
      description: 'whether a SYN/ACK waits for the backup; overlay’s is stateless and does not',
      options: ['stateless', 'withheld'],
      helpGroup: MODEL,
    }),
    'initial-window': Flags.integer({description: 'segments; default 10', min: 1, max: 1000, helpGroup: MODEL}),
    mss: Flags.integer({
      description: 'payload of a full segment, bytes; default as each connection offered',
      min: 48,
      max: 65_495,
      helpGroup: MODEL,
    }),
    growth: Flags.string({
      description: 'of a window that is used up, each round trip; default 2',
      helpValue: '2',
      helpGroup: MODEL,
    }),
    'max-window': Flags.integer({description: 'bytes; default 4194304', min: 1460, max: 1 << 30, helpGroup: MODEL}),
    live: Flags.boolean({description: 'also play the conversations through an overlay in a lab', helpGroup: LIVE}),
    connections: Flags.integer({
      description: 'how many are played, evenly spread over the capture; default 20',
      min: 1,
      max: 10_000,
      dependsOn: ['live'],
      helpGroup: LIVE,
    }),
    concurrency: Flags.integer({
      description: 'conversations at a time; default 1: more end sooner, and disturb each other',
      min: 1,
      max: 16,
      dependsOn: ['live'],
      helpGroup: LIVE,
    }),
    repeat: Flags.integer({
      description: 'how often each is played over each path: the shortest time counts; default 5',
      min: 1,
      max: 1000,
      dependsOn: ['live'],
      helpGroup: LIVE,
    }),
    'speed-up': Flags.string({
      description: 'think times are divided by this; default 1',
      helpValue: 'FACTOR',
      dependsOn: ['live'],
      helpGroup: LIVE,
    }),
    deadline: Flags.integer({
      description: 'seconds for all of --live; default 300',
      min: 1,
      max: 86_400,
      dependsOn: ['live'],
      helpGroup: LIVE,
    }),
    csv: Flags.string({description: 'write a line for each connection', helpValue: 'FILE', helpGroup: REPORT}),
    html: Flags.string({description: 'write a page that needs nothing else', helpValue: 'FILE', helpGroup: REPORT}),
    connection: Flags.integer({
      description: 'the one whose steps the page shows; default one in the middle',
      min: 1,
      dependsOn: ['html'],
      helpGroup: REPORT,
    }),
    plot: Flags.boolean({description: 'plots as text', helpGroup: REPORT}),
  }

  #shown: {analysis: Analysis; parameters: ModelParameters; plots: boolean} | null = null

  protected override async perform(): Promise<ReplayResult> {
    const {argv, flags} = await this.parse(Replay)
    const files = argv as string[]
    if (files.filter((file) => file === '-').length > 1) {
      throw new OverlayError('USAGE', 'standard input (-) can be read once')
    }

    if ((files.length === 0) === (flags.capture === undefined)) {
      throw new OverlayError('USAGE', files.length === 0 ? 'no capture is given' : '--capture takes no files', {
        suggestions: ['overlay replay FILE', 'overlay replay --capture INTERFACE --duration 30s'],
      })
    }

    for (const flag of ['csv', 'html'] as const) {
      const path = flags[flag]
      if (path !== undefined) checkWritable(`--${flag}`, path)
    }

    const durationMs = flags.duration === undefined ? 0 : parseDuration(flags.duration, '--duration')
    const parameters = parametersFromFlags(flags)
    const speedUp = flags['speed-up'] === undefined ? 1 : parseNumber(flags['speed-up'], '--speed-up', 0.01, 1_000_000)
    const spinner = ora({stream: process.stderr, isEnabled: process.stderr.isTTY, discardStdin: false}).start()
    try {
      const options: ReplayOptions = {
        parameters,
        live: flags.live
          ? {
              connections: flags.connections ?? 20,
              concurrency: flags.concurrency ?? 1,
              repeats: flags.repeat ?? 5,
              speedUp,
              deadlineMs: (flags.deadline ?? 300) * 1000,
            }
          : null,
        csv: flags.csv,
        html: flags.html,
        connectionId: flags.connection ?? null,
        progress(what) {
          spinner.text = what
        },
      }
      const {result, analysis} =
        flags.capture === undefined
          ? await replay(files, options)
          : await withCapturedTraffic(
              {
                interfaceName: flags.capture,
                durationMs,
                filter: flags.filter,
                payloads: flags.live,
                onProgress(leftMs) {
                  spinner.text = `capturing ${flags.capture}, ${Math.ceil(leftMs / 1000)} s to go`
                },
              },
              async (file, {dropped}) => {
                if (dropped > 0) this.note(`${dropped} packets were dropped by the kernel: the capture is not whole`)
                return replay([file], {...options, names: [`interface ${flags.capture}`]})
              },
            )
      const {failure} = analysis.scratch
      if (failure) this.note(`${failure.message} (${failure.cause}); ${failure.suggestions.join('; ')}`)
      this.#shown = {analysis, parameters, plots: flags.plot}
      if (analysis.problems.length > 0) this.conclude(ExitCode.Usage)
      else if (result.live && !result.live.complete) this.conclude(ExitCode.Inconclusive)
      else if (result.live && !result.live.agrees) this.conclude(ExitCode.Negative)
      return result
    } finally {
      spinner.stop()
    }
  }

  protected override render(result: ReplayResult): string {
    const {analysis, parameters, plots} = this.#shown!
    return renderReplay(result, analysis.connections, parameters, plots)
  }
}
