import {Column} from '../column.js'

/** Handshake round trips of those that have one, ms, in their order. */
export function handshakeRtts(connections: Iterable<{handshakeRttMs: number | null}>): Float64Array {
  const rtts = new Column()
  for (const {handshakeRttMs} of connections) if (handshakeRttMs !== null) rtts.push(handshakeRttMs)
  return rtts.values()
}

/** The greatest of them, 0 without any: spreading a long list into Math.max() overflows the stack. */
export function greatest(values: Float64Array): number {
  let most = 0
  for (const value of values) most = Math.max(most, value)
  return most
}
