import {Args} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {checkConfigFile, renderCheck, type CheckReport} from '../../lib/config/check.js'
import {ExitCode} from '../../lib/errors/index.js'

export default class ConfigCheck extends OverlayCommand<CheckReport> {
  static override summary = 'Say what is wrong with a configuration file'
  static override description = `Reads the file as "edge start" and "gateway start" do and lists every problem with its key and line, not only the first.
A file that is valid here is not refused by start for what stands in it. What the host lacks (an address, a key file, a
congestion control) shows at start.

Ends with exit code 0 when the file is valid and 2 when it is not, or cannot be read.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> /etc/overlay/overlay.yaml',
    {
      description: 'The lines at fault, for a script',
      command: '<%= config.bin %> <%= command.id %> overlay.yaml --json | jq .problems[].line',
    },
  ]

  static override args = {
    file: Args.string({description: 'the YAML file', required: true}),
  }

  private file = ''

  protected async perform(): Promise<CheckReport> {
    const {args} = await this.parse(ConfigCheck)
    this.file = args.file
    const {report, incomplete} = checkConfigFile(args.file)
    for (const line of incomplete) this.note(line)
    if (!report.valid) this.conclude(ExitCode.Usage)
    return report
  }

  protected render(report: CheckReport): string {
    return renderCheck(this.file, report)
  }
}
