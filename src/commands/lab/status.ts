import {Args} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {listLabs, type LabDescription} from '../../lib/lab/describe.js'
import {renderStatus} from '../../lib/lab/render.js'

interface Labs {
  labs: LabDescription[]
}

export default class LabStatus extends OverlayCommand<Labs> {
  static override summary = 'Show the labs of this machine: hosts, addresses, links and what passed over them'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> pairs --json']

  static override description =
    'RTT is the delay of both directions of a link together; jitter, and waiting for a limited rate, come on top.'

  static override args = {
    name: Args.string({description: 'name of the lab; all when not given'}),
  }

  protected override async perform(): Promise<Labs> {
    const {args} = await this.parse(LabStatus)
    return {labs: await listLabs(args.name)}
  }

  protected override render({labs}: Labs): string {
    return renderStatus(labs)
  }
}
