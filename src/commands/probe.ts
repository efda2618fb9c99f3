import {Args, Flags} from '@oclif/core'
import {setMaxListeners} from 'node:events'
import ora from 'ora'

import {OverlayCommand} from '../lib/cli/base-command.js'
import {parseDuration} from '../lib/config/duration.js'
import {ExitCode} from '../lib/errors/index.js'
import {readKeyFile} from '../lib/keys/key-file.js'
import {probe} from '../lib/probe/probe.js'
import {renderProbe} from '../lib/probe/render.js'
import type {ProbeReport} from '../lib/probe/schema.js'
import {exitCodeOf} from '../lib/probe/verdict.js'
import {ProbeKeys} from '../lib/probe/probe-keys.js'
import {replicationQuestion} from '../lib/probe/replication.js'
import {parseAddress, parseEndpoint} from '../lib/wire/endpoint.js'

export default class Probe extends OverlayCommand<ProbeReport> {
  static override summary = 'Probe a path with crafted packets: handshake round trip, loss, what refuses it'

  static override description = `Sends SYNs of its own making to each target, reads the answers past this host's TCP, and ends each connection by an RST.
Times are those of the packets, from the kernel. An nft rule for the probe's own ports keeps this host from answering; it
is gone when the probe is, also after kill -9. Needs root.

Exit code 0: zero-rtt or ordinary; 3: blocked; 4: closed, filtered or unreachable. Ctrl-C ends it with what it has.`

  static override examples = [
    '<%= config.bin %> <%= command.id %> gateway.example.net:7000',
    '<%= config.bin %> <%= command.id %> --count 100 --interval 50ms 192.0.2.7:443 [2001:db8::7]:443 --json',
  ]

  static override strict = false

  static override args = {
    target: Args.string({description: 'HOST[:PORT]; several may be given', required: true}),
  }

  static override flags = {
    port: Flags.integer({description: 'port of targets that name none', default: 443, min: 1, max: 65_535}),
    count: Flags.integer({description: 'exchanges with each target', char: 'c', default: 10, min: 1, max: 100_000}),
    interval: Flags.string({
      description: 'time from one exchange to the next, with each target',
      default: '200ms',
      helpValue: 'DURATION',
    }),
    timeout: Flags.string({
      description: 'time that an answer may take; above 1s a SYN/ACK that was sent again passes for the first',
      default: '1s',
      helpValue: 'DURATION',
    }),
    source: Flags.string({description: 'address of this host to send from', helpValue: 'ADDRESS'}),
    ipv4: Flags.boolean({description: 'names resolve to IPv4', exclusive: ['ipv6']}),
    ipv6: Flags.boolean({description: 'names resolve to IPv6'}),
    'key-file': Flags.file({
      description: 'file with the keys shared with the gateway: also open in zero RTT',
      env: 'OVERLAY_KEY_FILE',
      helpValue: 'FILE',
    }),
    echo: Flags.string({
      description: "the gateway's packet echo (gateway start --echo): name what the path changed",
      dependsOn: ['key-file'],
      helpValue: 'ADDRESS:PORT',
    }),
    replication: Flags.string({
      description:
        'also measure what a pair adds: open connections through the gateway to this origin, and reset them; the gateway must allow it',
      dependsOn: ['key-file'],
      helpValue: 'ADDRESS:PORT',
    }),
    'replication-data': Flags.string({
      description:
        "also measure what an edge's pair adds: send this on ordinary connections, and reset them; who listens there gets it",
      exclusive: ['replication'],
      helpValue: 'TEXT',
    }),
    variants: Flags.boolean({description: 'also try what the path tolerates; done anyway where zero-RTT fails'}),
    path: Flags.boolean({description: 'also ask the routers on the way, and name the hop where a packet was changed'}),
    pcap: Flags.string({description: 'write every packet of the probe to this file', helpValue: 'FILE'}),
    stream: Flags.boolean({
      description: 'with --json: one line for each exchange as it ends, then the report on one line',
      dependsOn: ['json'],
    }),
  }

  #stream = false

  protected override async perform(): Promise<ProbeReport> {
    const {argv, flags} = await this.parse(Probe)
    this.#stream = flags.stream ?? false
    const spinner = ora({stream: process.stderr, isEnabled: process.stderr.isTTY, discardStdin: false})
    if (process.stderr.isTTY) spinner.start()
    const abandon = new AbortController()
    // Each exchange under way listens.
    setMaxListeners(0, abandon.signal)
    // Once: a second Ctrl-C ends the process at once, and with it the rule.
    const stop = (): void => abandon.abort()
    process.once('SIGINT', stop).once('SIGTERM', stop)
    try {
      const ring = flags['key-file'] === undefined ? null : readKeyFile(flags['key-file'])
      const keys = ring && new ProbeKeys(ring)
      const report = await probe({
        targets: argv as string[],
        defaultPort: flags.port,
        family: flags.ipv4 ? 4 : flags.ipv6 ? 6 : 0,
        source: flags.source === undefined ? undefined : parseAddress(flags.source, '--source'),
        count: flags.count,
        intervalMs: parseDuration(flags.interval, '--interval'),
        timeoutMs: parseDuration(flags.timeout, '--timeout'),
        keys,
        replication: replicationQuestion(keys, flags.replication, flags['replication-data']),
        variants: flags.variants,
        path: flags.path,
        echo: flags.echo === undefined ? null : {at: parseEndpoint(flags.echo, '--echo'), keys: ring!},
        pcap: flags.pcap,
        abandon: abandon.signal,
        onSample: (target, sample) => {
          if (this.#stream) process.stdout.write(JSON.stringify({event: 'exchange', target, ...sample}) + '\n')
        },
        progress(what) {
          spinner.text = what
        },
        warn: (message) => this.note(message),
      })
      const code = exitCodeOf('targets' in report ? report.targets : [report])
      if (code !== ExitCode.Done) this.conclude(code)
      return report
    } finally {
      process.off('SIGINT', stop).off('SIGTERM', stop)
      spinner.stop()
    }
  }

  protected override async printResult(result: ProbeReport): Promise<void> {
    if (this.#stream) process.stdout.write(JSON.stringify({event: 'report', ...result}) + '\n')
    else await super.printResult(result)
  }

  protected override render(report: ProbeReport): string {
    return renderProbe(report)
  }
}
