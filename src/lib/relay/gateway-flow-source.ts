import {STATE_LINGERING, STATE_RELAYING} from './connection.js'
import type {FlowFilter} from './flow-filter.js'
import type {FlowState} from './flow-schema.js'
import {peerFits, peerOf, RelayFlowSource, type RoleFlow} from './flow-source.js'
import {
  STATE_ANSWERING,
  STATE_CONNECTING,
  STATE_HOLDING,
  STATE_PARTING,
  STATE_PREAMBLE,
  gatewayFlowId,
  isServed,
  type GatewayConnection,
} from './gateway-connection.js'

const NAMES: Readonly<Record<number, FlowState>> = {
  [STATE_PREAMBLE]: 'preamble',
  [STATE_CONNECTING]: 'connecting',
  [STATE_HOLDING]: 'holding',
  [STATE_ANSWERING]: 'answering',
  [STATE_RELAYING]: 'relaying',
  [STATE_LINGERING]: 'lingering',
  [STATE_PARTING]: 'parting',
}

/** The connections of a gateway. Who the client is stood in the preamble, and is not kept. */
export class GatewayFlowSource extends RelayFlowSource<GatewayConnection> {
  protected readonly legs = ['edge-gateway', 'gateway-origin'] as const

  matches(connection: GatewayConnection, {service, client, gateway, flow, edge, origin}: FlowFilter): boolean {
    const {near, far} = connection
    return (
      service === null &&
      client === null &&
      gateway === null &&
      (flow === null || gatewayFlowId(connection) === flow) &&
      (edge === null || peerFits(near, edge)) &&
      (origin === null || peerFits(far, origin))
    )
  }

  protected override role(connection: GatewayConnection, now: number): RoleFlow {
    const {state, near, far, preambleEnd} = connection
    const served = isServed(state)
    return {
      id: gatewayFlowId(connection),
      state: NAMES[state],
      service: null,
      client: null,
      origin: peerOf(far),
      handshake: null,
      bytes: {fromClient: served ? near.received - preambleEnd : 0, toClient: far.received},
      ageMs: this.ageMs(connection, now),
    }
  }

  protected override ageMs({state, connectStarted}: GatewayConnection, now: number): number | null {
    return isServed(state) ? Math.max(0, Math.round(now - connectStarted)) : null
  }
}
