import {playConversation} from '../model/conversation.js'
import {firstByteAt} from '../model/first-byte.js'
import type {ModelConnection} from '../model/model.js'
import {openingOf, type ModelPath, type Opening} from '../model/opening.js'
import {legsFor, type ModelParameters} from '../model/parameters.js'

export type SpanKind = 'handshake' | 'replication' | 'travel' | 'think'

/** What a connection does, or waits for, from one moment to another; ms since the client called connect(). */
export interface Span {
  kind: SpanKind
  what: string
  fromMs: number
  toMs: number
}

export interface Waterfall {
  path: ModelPath
  spans: Span[]
  /** The server's first byte is at the client; of a server that says nothing, the last byte of the client at the origin. */
  endMs: number
}

/** Shorter spans than this say nothing, ms. */
const LEAST_MS = 0.0005

/**
 * Until the first byte is back: what one connection waits for over a path, step by step.
 *
 * @param replicationAckMs of a pair; has no part in `direct`
 */
export function waterfallOf(
  connection: ModelConnection,
  parameters: ModelParameters,
  path: ModelPath,
  replicationAckMs: number,
): Waterfall {
  const rtts = legsFor(parameters, connection.rttMs)
  const opening = openingOf(path, connection.rttMs, rtts, parameters, replicationAckMs)
  const first = connection.turns.findIndex(({from, bytes}) => from === 'server' && bytes > 0)
  const asked = connection.turns.slice(0, first === -1 ? undefined : first).filter(({bytes}) => bytes > 0)
  const thinkMs = asked.length > 0 ? asked[0].thinkMs : 0
  const spans =
    path === 'direct'
      ? directSpans(opening, thinkMs, asked.length > 0)
      : splitSpans(opening, thinkMs, asked.length > 0, path, parameters, replicationAckMs)
  let at = spans.at(-1)?.toMs ?? 0
  if (asked.length > 0) {
    const {completedMs} = playConversation(opening, asked, parameters, connection.mssBytes)
    spans.push({kind: 'travel', what: 'the rest of the request', fromMs: at, toMs: completedMs ?? at})
    at = Math.max(at, completedMs ?? at)
  }

  if (first !== -1) {
    const answered = firstByteAt(opening, connection.turns, parameters, connection.mssBytes)!
    const thought = at + connection.turns[first].thinkMs
    spans.push(
      {kind: 'think', what: 'the server thinks', fromMs: at, toMs: thought},
      {kind: 'travel', what: 'first byte to the client', fromMs: thought, toMs: answered},
    )
    at = answered
  }

  return {path, spans: spans.filter(({fromMs, toMs}) => toMs - fromMs > LEAST_MS), endMs: at}
}

function directSpans({legs, connectMs, acceptMs}: Opening, thinkMs: number, asks: boolean): Span[] {
  const spans: Span[] = [{kind: 'handshake', what: 'handshake client-origin', fromMs: 0, toMs: connectMs}]
  if (!asks) return [...spans, {kind: 'handshake', what: 'its ACK to the origin', fromMs: connectMs, toMs: acceptMs}]
  const sent = connectMs + thinkMs
  return [
    ...spans,
    {kind: 'think', what: 'the client thinks', fromMs: connectMs, toMs: sent},
    {kind: 'travel', what: 'request to the origin', fromMs: sent, toMs: sent + legs[0].rttMs / 2},
  ]
}

function splitSpans(
  {legs: [near, middle, far], connectMs, acceptMs}: Opening,
  thinkMs: number,
  asks: boolean,
  path: ModelPath,
  {pairs, originConnectMs}: ModelParameters,
  replicationAckMs: number,
): Span[] {
  const edgeAck = pairs.includes('edge') ? replicationAckMs : 0
  const gatewayAck = pairs.includes('gateway') ? replicationAckMs : 0
  const spans: Span[] = [{kind: 'handshake', what: 'handshake client-edge', fromMs: 0, toMs: connectMs}]
  const sent = connectMs + thinkMs
  if (asks) spans.push({kind: 'think', what: 'the client thinks', fromMs: connectMs, toMs: sent})
  let at = sent + near.rttMs / 2
  spans.push({
    kind: 'travel',
    what: asks ? 'request to the edge' : 'ACK to the edge',
    fromMs: sent,
    toMs: at,
  })
  /** The part of a span that the request has to wait for. */
  const wait = (kind: SpanKind, what: string, fromMs: number, toMs: number): void => {
    if (toMs > at) spans.push({kind, what, fromMs: Math.max(at, fromMs), toMs})
    at = Math.max(at, toMs)
  }

  if (path === 'split') {
    const dialled = middle.sendAt - edgeAck
    wait('handshake', 'handshake edge-gateway', dialled - middle.rttMs, dialled)
  }

  wait('replication', 'backup of the edge', middle.sendAt - edgeAck, middle.sendAt)
  wait('travel', 'to the gateway', at, at + middle.rttMs / 2)
  const originConnected = far.sendAt - gatewayAck
  wait('handshake', 'handshake gateway-origin', originConnected - (originConnectMs ?? far.rttMs), originConnected)
  if (!asks) {
    wait('travel', 'ACK to the origin', at, acceptMs)
    return spans
  }

  wait('replication', 'backup of the gateway', originConnected, far.sendAt)
  wait('travel', 'to the origin', at, at + far.rttMs / 2)
  return spans
}
