import {Args, Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {Lab} from '../../lib/lab/lab.js'

interface Ended {
  lab: string
  host: string
  /** The command's exit code; 128 + N when signal N ended it. */
  code: number
  /** Only with --json. */
  stdout?: string
  stderr?: string
}

const DAY_MS = 24 * 3600 * 1000

export default class LabExec extends OverlayCommand<Ended> {
  static override summary = 'Run a command in a host of a lab'

  static override description = `The command has this terminal, and its exit code becomes the exit code. With --json its output is collected into the result instead. OVERLAY_RUN_DIR is set to the host's own directory, so each host has its own edges and gateways; its bpffs is at $OVERLAY_RUN_DIR/bpf.`

  static override examples = [
    '<%= config.bin %> <%= command.id %> client -- curl -s http://10.77.3.21/',
    '<%= config.bin %> <%= command.id %> edge -- overlay edge status',
    '<%= config.bin %> <%= command.id %> --lab pairs edge-a -- bash',
  ]

  static override strict = false

  static override args = {
    host: Args.string({description: 'client, edge, gateway or origin; of a pair edge-a and so on', required: true}),
    command: Args.string({description: 'the command and its words, after --', required: true}),
  }

  static override flags = {
    lab: Flags.string({description: 'name of the lab; not needed when only one is up'}),
  }

  protected override async perform(): Promise<Ended> {
    const {argv, flags} = await this.parse(LabExec)
    const [host, ...words] = argv as string[]
    const lab = Lab.open(flags.lab)
    const ended = this.jsonEnabled()
      ? await lab.exec(host, words, {timeoutMs: DAY_MS})
      : {code: await lab.runInForeground(host, words)}
    process.exitCode = ended.code
    return {lab: lab.name, host, ...ended}
  }

  protected override render(): string {
    return ''
  }
}
