export interface Percentiles {
  p50: number
  p90: number
  p99: number
}

/** @returns the percentiles by nearest rank, rounded to a thousandth; null without values */
export function percentiles(values: readonly number[] | Float64Array): Percentiles | null {
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  const rank = (share: number): number => round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)])
  return {p50: rank(0.5), p90: rank(0.9), p99: rank(0.99)}
}

/** The percentiles and the least: what a busy machine delays, it never makes earlier. Null without values. */
export function distribution(values: readonly number[]): (Percentiles & {min: number}) | null {
  const all = percentiles(values)
  return all === null ? null : {min: round(Math.min(...values)), ...all}
}

/** Milliseconds with µs precision. */
export function round(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
