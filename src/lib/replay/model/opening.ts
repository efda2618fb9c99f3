import type {LegRtts, ModelParameters} from './parameters.js'

/** The ways of a connection that are compared. */
export const MODEL_PATHS = ['direct', 'split', 'zero-rtt'] as const
export type ModelPath = (typeof MODEL_PATHS)[number]

/** One leg of a path and when it can first be used. Times in ms since the client called connect(). */
export interface OpeningLeg {
  rttMs: number
  /** When the side nearer to the client may first send on it. */
  sendAt: number
  /** How much later than received the bytes from the client, and those to the client, are acknowledged on it. */
  withheldMs: {up: number; down: number}
}

/** How a connection opens over a path. */
export interface Opening {
  legs: OpeningLeg[]
  /** The client's connect() has returned. */
  connectMs: number
  /** The origin's program has the connection. */
  acceptMs: number
  /**
   * What handshakes add to the first byte: from connect() to the client's first byte at the origin, less the one way over
   * the path, of a client that sends as soon as it is connected.
   */
  handshakeMs: number
}

/** Round trips over the whole path that a direct connection's handshake takes: SYN, SYN/ACK; the ACK may carry data. */
export function openDirect(rttMs: number): Opening {
  return {
    legs: [{rttMs, sendAt: rttMs, withheldMs: {up: 0, down: 0}}],
    connectMs: rttMs,
    acceptMs: 1.5 * rttMs,
    handshakeMs: rttMs,
  }
}

/**
 * How a split connection opens.
 *
 * The edge has the connection when the third packet of the client's handshake has come, and dials; the gateway has it when
 * the preamble has come, and dials. A member of a pair passes nothing on before its backup has acknowledged the records of
 * both legs: one replication round trip after its dial is done, since the first leg's record goes out before that.
 *
 * @param replicationAckMs null without a pair
 */
export function openSplit(
  rtts: LegRtts,
  {originConnectMs, synAck, pairs}: ModelParameters,
  zeroRtt: boolean,
  replicationAckMs: number | null,
): Opening {
  const at = (region: 'edge' | 'gateway'): number =>
    replicationAckMs !== null && pairs.includes(region) ? replicationAckMs : 0
  const edgeAck = at('edge')
  const gatewayAck = at('gateway')
  const {clientEdge, edgeGateway, gatewayOrigin} = rtts
  const connectMs = clientEdge + (synAck === 'withheld' ? edgeAck : 0)
  const edgeHas = connectMs + clientEdge / 2
  const edgeSends = edgeHas + (zeroRtt ? 0 : edgeGateway) + edgeAck
  const gatewayHas = edgeSends + edgeGateway / 2
  const originConnected = gatewayHas + (originConnectMs ?? gatewayOrigin)
  const gatewaySends = originConnected + gatewayAck
  return {
    legs: [
      {rttMs: clientEdge, sendAt: connectMs, withheldMs: {up: edgeAck, down: 0}},
      {rttMs: edgeGateway, sendAt: edgeSends, withheldMs: {up: gatewayAck, down: edgeAck}},
      {rttMs: gatewayOrigin, sendAt: gatewaySends, withheldMs: {up: 0, down: gatewayAck}},
    ],
    connectMs,
    acceptMs: originConnected + gatewayOrigin / 2,
    handshakeMs: gatewaySends + gatewayOrigin / 2 - (clientEdge + edgeGateway + gatewayOrigin) / 2,
  }
}

/** How a connection opens over one of the paths. @param rttMs of the direct path */
export function openingOf(
  path: ModelPath,
  rttMs: number,
  rtts: LegRtts,
  parameters: ModelParameters,
  replicationAckMs: number | null,
): Opening {
  return path === 'direct' ? openDirect(rttMs) : openSplit(rtts, parameters, path === 'zero-rtt', replicationAckMs)
}
