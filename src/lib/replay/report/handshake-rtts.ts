import {ScratchSpace} from '../spill/scratch-space.js'
import {SpilledColumn} from '../spill/spilled-column.js'

/** Handshake round trips of those that have one, ms, in their order. */
export function handshakeRtts(connections: Iterable<{handshakeRttMs: number | null}>): SpilledColumn {
  const rtts = new SpilledColumn(new ScratchSpace())
  for (const {handshakeRttMs} of connections) if (handshakeRttMs !== null) rtts.push(handshakeRttMs)
  return rtts
}

/** The greatest of them, 0 without any. */
export function greatest(values: Iterable<number>): number {
  let most = 0
  for (const value of values) most = Math.max(most, value)
  return most
}

/** Values of one bar of a distribution. */
export interface Bin {
  from: number
  /** Not in it, but in the last one. */
  to: number
  count: number
}

/**
 * How many values lie in each of so many equal parts from 0 to the highest.
 *
 * @returns also those that are empty; what is below 0 is in none
 */
export function binsOf(values: Iterable<number>, highest: number, parts: number): Bin[] {
  const edge = (part: number): number => (highest * part) / parts
  const bins = Array.from({length: parts}, (_, part): Bin => ({from: edge(part), to: edge(part + 1), count: 0}))
  for (const value of values) {
    // The division may be a rounding off.
    let part = Math.floor((value / highest) * parts)
    while (part > 0 && value < edge(part)) part--
    while (part < parts && value >= edge(part + 1)) part++
    if (value === highest) part = parts - 1
    if (part >= 0 && part < parts) bins[part].count++
  }

  return bins
}
