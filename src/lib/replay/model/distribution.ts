import {z} from 'zod'

import {round} from '../../bench/percentiles.js'

export const distributionSchema = z.strictObject({mean: z.number(), p50: z.number(), p90: z.number()})

/** ms, rounded to µs; percentiles by nearest rank. */
export type Distribution = z.infer<typeof distributionSchema>

/** @returns null without values */
export function distributionOf(values: readonly number[] | Float64Array): Distribution | null {
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  let sum = 0
  for (const value of sorted) sum += value
  const rank = (share: number): number => round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)])
  return {mean: round(sum / sorted.length), p50: rank(0.5), p90: rank(0.9)}
}
