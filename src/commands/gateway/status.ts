import {Flags} from '@oclif/core'

import {WatchCommand, watchFlags, type Look} from '../../lib/cli/watch-command.js'
import {instanceStatus, renderInstance, type StatusResult} from '../../lib/relay/instance-status.js'

export default class GatewayStatus extends WatchCommand<StatusResult> {
  static override summary = 'Show what a running gateway does'
  static override description = `Asks the running gateway: connections, bytes, edges it knows, what it refused and why.
Below, the handshake plane: what it did with SYNs, and what it knows of each edge. Where only that is
there, put by "gateway attach", it is shown alone.`
  static override examples = [
    {description: 'The gateway of this host', command: '<%= config.bin %> <%= command.id %>'},
    {description: 'Live, until Ctrl-C', command: '<%= config.bin %> <%= command.id %> --watch'},
    {
      description: 'Connections open, for a script',
      command: '<%= config.bin %> <%= command.id %> --json | jq .traffic.connections.live',
    },
  ]

  static override flags = {
    name: Flags.string({description: 'name of the gateway', default: 'default', env: 'OVERLAY_GATEWAY_NAME'}),
    ...watchFlags,
  }

  protected async look(): Promise<Look<StatusResult>> {
    const {flags} = await this.parse(GatewayStatus)
    return {flags, take: (signal) => instanceStatus('gateway', flags.name, signal)}
  }

  protected override render(status: StatusResult, previous: StatusResult | null = null): string {
    return renderInstance(status, previous)
  }
}
