import type {Connection} from '../relay/connection.js'
import type {FlowPair} from '../relay/flow-source.js'
import type {FlowReplication} from '../relay/flow-schema.js'
import {PairFlow} from './pair-flow.js'
import type {PairNode} from './pair-node.js'

/**
 * What of a connection the backup does not have yet, read from the owner's books when somebody asks.
 *
 * The link keeps the order of frames, and heartbeats are frames: what was read before the newest heartbeat that the backup
 * has answered is held. The lease counts from that heartbeat, so it says how old the rest can be.
 */
export class FlowLag implements FlowPair {
  constructor(private readonly node: PairNode) {}

  status(): ReturnType<FlowPair['status']> {
    const {role, link, flows} = this.node.status()
    return {role, link, flows}
  }

  of({flow}: Connection): FlowReplication | null {
    const {primary} = this.node
    if (primary === null || !(flow instanceof PairFlow)) return null
    const known = primary.flows.get(flow.id)
    if (known === undefined) return null
    const {told, outstanding} = known
    return {flow: flow.id, replicated: told, lagBytes: outstanding, lagAtMostMs: told ? this.#since(outstanding) : null}
  }

  #since(bytes: number): number | null {
    const {now, primary, member} = this.node
    if (bytes === 0) return 0
    if (primary?.link !== 'paired' || !Number.isFinite(primary.lease.until)) return null
    return Math.max(0, Math.round(now - (primary.lease.until - member.settings.leaseMs)))
  }
}
