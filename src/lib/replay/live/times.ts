import type {Times} from './compare.js'
import type {PlannedConnection} from './plan.js'
import type {PlayTimes} from './play-house.js'

/**
 * As the model counts. The handshake is over when the origin's program has the connection, or the client's first byte if
 * that comes later, the client's own pause before it taken off.
 *
 * @param oneWayMs over all links
 */
export function measuredTimes(times: PlayTimes, {turns}: PlannedConnection, oneWayMs: number): Times {
  const {connectMs, acceptMs, requestAtOriginMs, firstByteMs, completedMs} = times
  const first = turns.at(0)
  const requestMs = first?.from === 'client' && requestAtOriginMs !== null ? requestAtOriginMs - first.thinkMs : 0
  return {connectMs, handshakeMs: Math.max(acceptMs, requestMs) - oneWayMs, firstByteMs, completedMs}
}

/**
 * Of one connection that was played several times: the shortest of each time, since what else the machine does can only
 * lengthen it.
 *
 * @param all one at least
 */
export function shortestTimes(all: readonly Times[]): Times {
  const least = (values: readonly (number | null)[]): number | null => {
    const known = values.flatMap((value) => (value === null ? [] : [value]))
    return known.length === 0 ? null : Math.min(...known)
  }

  return {
    connectMs: Math.min(...all.map(({connectMs}) => connectMs)),
    handshakeMs: Math.min(...all.map(({handshakeMs}) => handshakeMs)),
    firstByteMs: least(all.map(({firstByteMs}) => firstByteMs)),
    completedMs: least(all.map(({completedMs}) => completedMs)),
  }
}
