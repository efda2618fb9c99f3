import {Flags} from '@oclif/core'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {instanceStatus, renderInstance, type StatusResult} from '../../lib/relay/instance-status.js'

export default class EdgeStatus extends OverlayCommand<StatusResult> {
  static override summary = 'Show what a running edge does'
  static override description = `Asks the running edge: connections, bytes, each gateway with its health, round trip and connect times.
Below, the handshake plane: what it did with SYNs, and what it knows of each path. Where only that is
there, put by "edge attach", it is shown alone.`
  static override examples = [
    {description: 'The edge of this host', command: '<%= config.bin %> <%= command.id %>'},
    {
      description: 'Connections open, for a script',
      command: '<%= config.bin %> <%= command.id %> --json | jq .traffic.connections.live',
    },
  ]

  static override flags = {
    name: Flags.string({description: 'name of the edge', default: 'default', env: 'OVERLAY_EDGE_NAME'}),
  }

  protected async perform(): Promise<StatusResult> {
    const {flags} = await this.parse(EdgeStatus)
    return instanceStatus('edge', flags.name)
  }

  protected render(status: StatusResult): string {
    return renderInstance(status)
  }
}
