import {Flags} from '@oclif/core'

import type {Look} from '../../lib/cli/watch-command.js'
import {listFlows} from '../../lib/relay/flow-list.js'
import type {FlowsResult} from '../../lib/relay/flow-schema.js'
import {edgeFlowsFlags, FlowsCommand, flowsFlags} from '../../lib/relay/flows-command.js'

export default class EdgeFlows extends FlowsCommand {
  static override summary = 'List the connections of a running edge: legs, bytes, round trips, replication lag'
  static override description = `Asks the running edge for its connections, the largest first. Nothing is kept for this while nobody asks; what is shown
is read then, from the relay and its sockets, in between its work. In a pair the owner lists them, with what its backup
has not acknowledged. A connection has the same id at edge and gateway, and in the logs of both.`

  static override examples = [
    {description: 'The hundred that moved most', command: '<%= config.bin %> <%= command.id %>'},
    {
      description: 'Like top: the ten that wait longest for a slow reader, every second',
      command: '<%= config.bin %> <%= command.id %> --sort waiting --limit 10 --watch --interval 1s',
    },
    {
      description: 'What one network of clients has open, for a script',
      command: '<%= config.bin %> <%= command.id %> --client 192.0.2.0/24 --limit 10000 --json | jq .flows[].id',
    },
  ]

  static override flags = {
    name: Flags.string({description: 'name of the edge', default: 'default', env: 'OVERLAY_EDGE_NAME'}),
    ...edgeFlowsFlags,
    ...flowsFlags,
  }

  protected async look(): Promise<Look<FlowsResult>> {
    const {flags} = await this.parse(EdgeFlows)
    const query = this.query(flags)
    return {flags, take: (signal) => listFlows('edge', flags.name, query, signal)}
  }
}
