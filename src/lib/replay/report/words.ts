import type {ModelResult} from '../model/schema.js'
import type {ReplayResult} from './schema.js'

/** What is printed beside the figures, the same in text and on the page. */
export const DEFINITIONS = {
  handshakeRtt: 'handshake round trip: last SYN to the segment that completes the handshake, as captured',
  handshakeSaved:
    'handshake saved: direct less overlay, of what handshakes add before the client’s first byte is at the origin (connect() to that byte, less one way over the path, of a client that sends as soon as it is connected)',
  firstByteSaved:
    'first byte saved: direct less overlay, of the time from connect() to the server’s first byte at the client, with the captured think times',
  completedSaved: 'completed saved: the same until the last byte of the conversation has arrived',
  replicationAck:
    'replication-ack latency: from sending what was received to the backup to its acknowledgement; one is waited for before the first byte goes on',
  breakEven: 'break-even: the replication-ack latency at which the mean handshake saving is 0',
} as const

/** The legs and the rest that was assumed, in a sentence or two. */
export function modelWords({model}: Pick<ModelResult, 'model'>): string {
  const {legs, pathStretch, originConnectMs, initialWindow, mssBytes, growth, maxWindowBytes, synAck, pairs} = model
  const three = [legs.clientEdge, legs.edgeGateway, legs.gatewayOrigin].join(', ')
  const parts = [
    legs.kind === 'absolute'
      ? `legs of ${three} ms (client-edge, edge-gateway, gateway-origin)`
      : `legs of ${three} of each connection’s round trip (client-edge, edge-gateway, gateway-origin), stretched by ${pathStretch}`,
    originConnectMs === null
      ? 'the gateway’s connect to the origin takes one round trip of its leg'
      : `the gateway’s connect to the origin takes ${originConnectMs} ms`,
    `initial window ${initialWindow} segments of ${mssBytes === null ? 'the size each connection offered' : `${mssBytes} bytes`}, growing by ${growth} a round trip up to ${maxWindowBytes} bytes`,
    `SYN/ACK ${synAck}`,
    `a pair at ${pairs.join(' and ')}`,
  ]
  return parts.join('; ')
}

/** The break-even of a capture or a server, in words. */
export function breakEvenWords(
  {breakEven, breakEvenReplicationAckMs}: Pick<ModelResult, 'breakEven' | 'breakEvenReplicationAckMs'>,
  latencies: readonly number[],
): string {
  switch (breakEven) {
    case 'within range': {
      return `${breakEvenReplicationAckMs} ms`
    }

    case 'saves throughout': {
      return `none up to ${latencies.at(-1)} ms: it saves throughout`
    }

    case 'never saves': {
      return `none: it never saves, from ${latencies[0]} ms on`
    }

    case 'nothing to model': {
      return 'none: there is no connection to model'
    }
  }
}

/** Connections that are not modelled, in words; empty when there are none. */
export function leftOutWords(leftOut: ReplayResult['leftOut']): string {
  return leftOut.map(({reason, connections}) => `${connections} ${reason}`).join(', ')
}
