import {Args} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {EXAMPLES, exampleConfig} from '../../lib/config/examples.js'

interface ExampleShown {
  /** A whole file. */
  text: string
}

export default class ConfigExample extends OverlayCommand<ExampleShown> {
  static override summary = 'Print a configuration file with comments, to start from'
  static override description = `The file passes "config check" as it is printed. Keys with a default stand there commented out, with it. The addresses are
of documentation networks: put your own there.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> gateway > /etc/overlay/overlay.yaml',
    '<%= config.bin %> <%= command.id %> pair',
  ]

  static override args = {
    of: Args.option({options: EXAMPLES})({
      description: 'one role, or one server of a pair; without it: an edge and a gateway',
    }),
  }

  protected async perform(): Promise<ExampleShown> {
    const {args} = await this.parse(ConfigExample)
    return {text: exampleConfig(args.of)}
  }

  protected render({text}: ExampleShown): string {
    return text.trimEnd()
  }
}
