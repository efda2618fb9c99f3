import {formatAddress, formatEndpoint} from '../wire/endpoint.js'
import {REPLY_LENGTH} from '../wire/reply.js'
import {STATE_LINGERING, STATE_RELAYING} from './connection.js'
import {handshakeOf, ZERO_RTT} from './dial-plan.js'
import type {EdgeConnection} from './edge-connection.js'
import type {EdgeInstance} from './edge-dialer.js'
import type {FlowFilter} from './flow-filter.js'
import {flowId} from './flow-id.js'
import {peerFits, RelayFlowSource, type FlowPair, type OpenConnections, type RoleFlow} from './flow-source.js'

/** The connections of an edge. */
export class EdgeFlowSource extends RelayFlowSource<EdgeConnection> {
  protected readonly legs = ['client-edge', 'edge-gateway'] as const

  constructor(
    relay: OpenConnections<EdgeConnection>,
    private readonly instance: EdgeInstance,
    pair: FlowPair | null,
  ) {
    super(relay, pair)
  }

  matches(connection: EdgeConnection, filter: FlowFilter): boolean {
    const {service, source, sourcePort, near, far} = connection
    return (
      (filter.service === null || service.config.name === filter.service) &&
      (filter.client === null || filter.client.fits(source, sourcePort)) &&
      (filter.origin === null || filter.origin.fits(service.origin, service.config.origin.port)) &&
      (filter.flow === null || this.id(connection) === filter.flow) &&
      (filter.edge === null || peerFits(near, filter.edge)) &&
      (filter.gateway === null || peerFits(far, filter.gateway))
    )
  }

  protected override role(connection: EdgeConnection, now: number): RoleFlow {
    const {state, service, source, sourcePort, near, far, step} = connection
    const dialling = state !== STATE_RELAYING && state !== STATE_LINGERING
    // What was carried over came by a dial of another server.
    const known = far.adopted === 0 && step >= 0
    return {
      id: this.id(connection),
      state: state === STATE_RELAYING ? 'relaying' : state === STATE_LINGERING ? 'lingering' : 'dialling',
      service: service.config.name,
      client: formatEndpoint({address: formatAddress(source), port: sourcePort}),
      origin: formatEndpoint(service.config.origin),
      handshake: known ? (handshakeOf(step) === ZERO_RTT ? 'zero-rtt' : 'ordinary') : null,
      bytes: {fromClient: near.received, toClient: dialling ? 0 : far.received - replyIn(connection)},
      ageMs: this.ageMs(connection, now),
    }
  }

  protected override ageMs({dialledAt}: EdgeConnection, now: number): number {
    return Math.max(0, Math.round(now - dialledAt))
  }

  private id({counter}: EdgeConnection): string {
    return flowId(this.instance.name, counter)
  }
}

/** How many bytes of the gateway's reply count as received: those of one that came in pieces do so in a pair only. */
function replyIn({flow, replyLength}: EdgeConnection): number {
  return flow === null && replyLength > 0 ? 0 : REPLY_LENGTH
}
