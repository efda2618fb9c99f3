import {z} from 'zod'

import {round} from '../../bench/percentiles.js'

/** What became of the search for a latency at which nothing is saved any more. */
export const BREAK_EVENS = ['within range', 'saves throughout', 'never saves', 'nothing to model'] as const
export type BreakEvenVerdict = (typeof BREAK_EVENS)[number]

export const breakEvenSchema = z.strictObject({
  /** The replication-ack latency at which the mean handshake saving is 0, ms; null unless it is within the range. */
  atMs: z.number().nullable(),
  verdict: z.enum(BREAK_EVENS),
})

export type BreakEven = z.infer<typeof breakEvenSchema>

/**
 * Where a saving that falls with the latency is 0: between two latencies by a straight line, which the model's handshake
 * saving is.
 *
 * @param points ascending by latency
 */
export function breakEvenOf(points: readonly {replicationAckMs: number; savedMs: number}[]): BreakEven {
  if (points.length === 0) return {atMs: null, verdict: 'nothing to model'}
  if (points[0].savedMs < 0) return {atMs: null, verdict: 'never saves'}
  for (const [index, {replicationAckMs: right, savedMs: rightSaved}] of points.entries()) {
    if (rightSaved > 0) continue
    if (index === 0)
      return points.every(({savedMs}) => savedMs === 0)
        ? {atMs: null, verdict: 'never saves'}
        : {atMs: right, verdict: 'within range'}
    const {replicationAckMs: left, savedMs: leftSaved} = points[index - 1]
    return {atMs: round(left + ((right - left) * leftSaved) / (leftSaved - rightSaved)), verdict: 'within range'}
  }

  return {atMs: null, verdict: 'saves throughout'}
}
