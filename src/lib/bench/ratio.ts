import {percentiles, round} from './percentiles.js'

/** lowest and highest: over the rounds. */
export interface Ratio {
  median: number
  lowest: number
  highest: number
}

/**
 * How one compares with another that was measured beside it: their ratio in each round, so that what slows the machine for
 * a while falls on both.
 *
 * @param own a value of each round, null where there is none
 * @param base the other's, of the same rounds
 * @returns null without a round in which both have a value
 */
export function ratio(own: readonly (number | null)[], base: readonly (number | null)[]): Ratio | null {
  return paired(own, base, (value, other) => (other === 0 ? null : value / other))
}

/**
 * By how much one is less than another that was measured beside it, in each round.
 *
 * @param own a value of each round, null where there is none
 * @param base the other's, of the same rounds
 * @returns null without a round in which both have a value
 */
export function lessThan(own: readonly (number | null)[], base: readonly (number | null)[]): Ratio | null {
  return paired(own, base, (value, other) => other - value)
}

function paired(
  own: readonly (number | null)[],
  base: readonly (number | null)[],
  of: (value: number, other: number) => number | null,
): Ratio | null {
  const results = own.map((value, index) => {
    const other = base.at(index) ?? null
    return value === null || other === null ? null : of(value, other)
  })
  return median(results.filter((value) => value !== null))
}

/** @returns the median by nearest rank and the extremes; null without values */
export function median(values: readonly number[]): Ratio | null {
  const of = percentiles(values)
  return of === null ? null : {median: of.p50, lowest: round(Math.min(...values)), highest: round(Math.max(...values))}
}

/**
 * How far apart the middle half of the values lies, as a share of their median: what of a difference may be chance. The
 * quarters at either end are left out, because one round in which the machine did something else says little of the others.
 *
 * @returns null with fewer than three values
 */
export function spread(values: readonly number[]): number | null {
  if (values.length < 3) return null
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  return at(0.5) === 0 ? null : round((at(0.75) - at(0.25)) / Math.abs(at(0.5)))
}
