import {Flags} from '@oclif/core'

import {WatchCommand, watchFlags} from '../cli/watch-command.js'
import {FLOW_SORTS, type FlowSort} from './flow-order.js'
import {FLOW_LIMIT, type FlowQuery, type FlowsResult} from './flow-schema.js'
import {renderFlows} from './flow-render.js'

const addressFlag = (what: string) =>
  Flags.string({description: `only connections ${what}`, helpValue: 'ADDRESS[/LENGTH][:PORT]'})

/** Flags of `edge flows` and `gateway flows`. */
export const flowsFlags = {
  sort: Flags.string({
    description:
      'the largest first: bytes both ways; the longer round trip of the two legs; segments sent again; bytes held for a slow reader; bytes that the backup lacks; time without a byte; time since it was dialled',
    options: [...FLOW_SORTS],
    default: 'bytes',
  }),
  limit: Flags.integer({
    description: 'connections to show; how many were left out is said',
    default: 100,
    min: 1,
    max: FLOW_LIMIT,
  }),
  flow: Flags.string({description: 'only the connection of this id, as logs have it', helpValue: 'ID'}),
  origin: addressFlag('to this origin'),
  ...watchFlags,
}

/** Flags of an edge alone. */
export const edgeFlowsFlags = {
  service: Flags.string({description: 'only connections of the service of this name'}),
  client: addressFlag('of this client'),
  gateway: addressFlag('through this gateway'),
}

/** Flags of a gateway alone. */
export const gatewayFlowsFlags = {
  edge: addressFlag('of this edge'),
}

interface GivenFlags {
  sort: string
  limit: number
  service?: string
  client?: string
  edge?: string
  gateway?: string
  origin?: string
  flow?: string
}

/** Lists connections. */
export abstract class FlowsCommand extends WatchCommand<FlowsResult> {
  protected query({sort, limit, service, client, edge, gateway, origin, flow}: GivenFlags): FlowQuery {
    return {sort: sort as FlowSort, limit, filter: {service, client, edge, gateway, origin, flow}}
  }

  protected override render(result: FlowsResult, previous: FlowsResult | null = null): string {
    return renderFlows(result, previous)
  }
}
