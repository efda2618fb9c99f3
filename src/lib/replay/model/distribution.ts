import {z} from 'zod'

import {round} from '../../bench/percentiles.js'

export const distributionSchema = z.strictObject({mean: z.number(), p50: z.number(), p90: z.number()})

/** ms, rounded to µs; percentiles by nearest rank. */
export type Distribution = z.infer<typeof distributionSchema>

/** An array, or a column of which not all lies in memory. */
export interface Numbers {
  readonly length: number
  at(index: number): number | undefined
}

/** What is sorted: one for all, since there may be many values and many distributions of them. */
let scratch = new Float64Array(0)

/**
 * @param less what is subtracted from each value first
 * @returns null without values; NaN is none
 */
export function distributionOf(values: Numbers, less?: Numbers): Distribution | null {
  if (scratch.length < values.length) scratch = new Float64Array(values.length)
  let count = 0
  let sum = 0
  for (let index = 0; index < values.length; index++) {
    const value = values.at(index)!
    const rest = less === undefined ? value : value - less.at(index)!
    if (!Number.isNaN(rest)) scratch[count++] = rest
  }

  if (count === 0) return null
  const sorted = scratch.subarray(0, count).sort()
  for (const value of sorted) sum += value
  const rank = (share: number): number => round(sorted[Math.max(0, Math.ceil(share * count) - 1)])
  return {mean: round(sum / count), p50: rank(0.5), p90: rank(0.9)}
}
