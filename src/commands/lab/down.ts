import {Args, Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {takeDown} from '../../lib/lab/sweep.js'

interface Removed {
  /** Names of the labs that were removed. */
  removed: string[]
}

export default class LabDown extends OverlayCommand<Removed> {
  static override summary = 'Remove a lab and everything that runs in it'

  static override description = `Ends all programs in the lab's hosts, first with SIGTERM and after 1.5 s with SIGKILL, and removes namespaces, mounts and files. Labs whose owner was killed are removed as well, whatever was named.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> pairs',
    '<%= config.bin %> <%= command.id %> --all',
  ]

  static override args = {
    name: Args.string({description: 'name of the lab; not needed when only one is up'}),
  }

  static override flags = {
    all: Flags.boolean({description: 'every lab that is not owned by a running process', default: false}),
  }

  protected override async perform(): Promise<Removed> {
    const {args, flags} = await this.parse(LabDown)
    return {removed: await takeDown({name: args.name, all: flags.all})}
  }

  protected override render({removed}: Removed): string {
    return removed.length === 0 ? 'Nothing to remove' : removed.map((name) => `Removed lab ${name}`).join('\n')
  }
}
