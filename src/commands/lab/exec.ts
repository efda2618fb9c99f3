import {Args, Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {OverlayError} from '../../lib/errors/index.js'
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
    const {args, flags} = await this.parse(LabExec)
    const {host} = args
    const words = wordsAfterDashes(this.argv)
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

/**
 * The words of the command as they were given: oclif's `argv` is sorted by where a word occurs first, so a word that comes
 * twice would move.
 */
function wordsAfterDashes(argv: readonly string[]): string[] {
  const dashes = argv.indexOf('--')
  if (dashes !== -1 && dashes < argv.length - 1) return argv.slice(dashes + 1)
  throw new OverlayError('USAGE', 'the command is to stand after --', {
    suggestions: ['overlay lab exec client -- curl -s http://10.77.3.21/'],
  })
}
