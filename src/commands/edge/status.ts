import {Flags} from '@oclif/core'

import {WatchCommand, watchFlags, type Look} from '../../lib/cli/watch-command.js'
import {instanceStatus, renderInstance, type StatusResult} from '../../lib/relay/instance-status.js'

export default class EdgeStatus extends WatchCommand<StatusResult> {
  static override summary = 'Show what a running edge does'
  static override description = `Asks the running edge: connections, bytes, each gateway with its health, round trip and connect times.
Below, the handshake plane: what it did with SYNs, and what it knows of each path. Where only that is
there, put by "edge attach", it is shown alone.`
  static override examples = [
    {description: 'The edge of this host', command: '<%= config.bin %> <%= command.id %>'},
    {description: 'Live, until Ctrl-C', command: '<%= config.bin %> <%= command.id %> --watch'},
    {
      description: 'Connections open, for a script',
      command: '<%= config.bin %> <%= command.id %> --json | jq .traffic.connections.live',
    },
  ]

  static override flags = {
    name: Flags.string({description: 'name of the edge', default: 'default', env: 'OVERLAY_EDGE_NAME'}),
    ...watchFlags,
  }

  protected async look(): Promise<Look<StatusResult>> {
    const {flags} = await this.parse(EdgeStatus)
    return {flags, take: (signal) => instanceStatus('edge', flags.name, signal)}
  }

  protected override render(status: StatusResult, previous: StatusResult | null = null): string {
    return renderInstance(status, previous)
  }
}
