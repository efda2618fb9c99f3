import {Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {failoverStatus, renderFailoverStatus, type FailoverStatus as Status} from '../../lib/pair/pair-control.js'

export default class FailoverStatus extends OverlayCommand<Status> {
  static override summary = 'Show the members of pairs that run on this host'
  static override description = `Which server owns the addresses, whether the other one holds its connections, and what the last takeover came to.
Connections are those replicated at an owner, and those held at a backup. "Not held" is what the backup has not
acknowledged yet: for these bytes the peers wait for their acknowledgement.`
  static override examples = [
    {description: 'All members on this host', command: '<%= config.bin %> <%= command.id %>'},
    {
      description: 'Is there a backup that holds everything? For a script',
      command: '<%= config.bin %> <%= command.id %> --name edge-a --json | jq -e \'.members[0].pair.link == "paired"\'',
    },
  ]

  static override flags = {
    name: Flags.string({description: 'only the member of this name'}),
  }

  protected async perform(): Promise<Status> {
    const {flags} = await this.parse(FailoverStatus)
    return failoverStatus(flags.name)
  }

  protected render(status: Status): string {
    return renderFailoverStatus(status)
  }
}
