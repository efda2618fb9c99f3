import {Flags} from '@oclif/core'

import type {Look} from '../../lib/cli/watch-command.js'
import {listFlows} from '../../lib/relay/flow-list.js'
import type {FlowsResult} from '../../lib/relay/flow-schema.js'
import {FlowsCommand, flowsFlags, gatewayFlowsFlags} from '../../lib/relay/flows-command.js'

export default class GatewayFlows extends FlowsCommand {
  static override summary = 'List the connections of a running gateway: legs, bytes, round trips, replication lag'
  static override description = `Asks the running gateway for its connections, the largest first. Nothing is kept for this while nobody asks; what is
shown is read then, from the relay and its sockets, in between its work. In a pair the owner lists them, with what its
backup has not acknowledged. A connection has the same id at edge and gateway, and in the logs of both: the edge's list
says who the client is.`

  static override examples = [
    {description: 'The hundred that moved most', command: '<%= config.bin %> <%= command.id %>'},
    {
      description: 'What is open to one origin, live, the longest round trips first',
      command: '<%= config.bin %> <%= command.id %> --origin 10.9.0.5:443 --sort rtt --watch',
    },
    {
      description: 'One connection that the edge lists, or a log names',
      command: '<%= config.bin %> <%= command.id %> --flow 9f86d081884c7d65-42 --json',
    },
  ]

  static override flags = {
    name: Flags.string({description: 'name of the gateway', default: 'default', env: 'OVERLAY_GATEWAY_NAME'}),
    ...gatewayFlowsFlags,
    ...flowsFlags,
  }

  protected async look(): Promise<Look<FlowsResult>> {
    const {flags} = await this.parse(GatewayFlows)
    const query = this.query(flags)
    return {flags, take: (signal) => listFlows('gateway', flags.name, query, signal)}
  }
}
