import {percentiles, round} from '../bench/percentiles.js'

/** Round trips of one kind, in ms with µs precision. */
export interface RttSummary {
  min: number
  p50: number
  p90: number
  max: number
  mean: number
  /** Population standard deviation. */
  stdev: number
  last: number
}

/** @param values in the order in which they were measured; null when there are none */
export function summarise(values: readonly number[]): RttSummary | null {
  const shares = percentiles(values)
  if (shares === null) return null
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  return {
    min: round(Math.min(...values)),
    p50: shares.p50,
    p90: shares.p90,
    max: round(Math.max(...values)),
    mean: round(mean),
    stdev: round(Math.sqrt(variance)),
    last: round(values.at(-1)!),
  }
}

/** The median, or null without values. */
export const median = (values: readonly number[]): number | null => percentiles(values)?.p50 ?? null
