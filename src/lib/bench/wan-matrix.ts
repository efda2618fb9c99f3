import {OverlayError} from '../errors/index.js'
import type {Condition} from './wan-bench.js'

/** The whole matrix: every round trip with every loss. */
export const ALL_RTT_MS = [20, 80, 300] as const
export const ALL_LOSS_PERCENT = [0, 0.1, 1, 3] as const
/** What is measured unless asked otherwise. */
export const USUAL_RTT_MS = [80] as const
export const USUAL_LOSS_PERCENT = [0, 1] as const

/** Every round trip with every loss, each once, ascending. */
export function conditionsOf(rttMs: readonly number[], lossPercent: readonly number[]): Condition[] {
  return ascending(rttMs).flatMap((rtt) => ascending(lossPercent).map((loss) => ({rttMs: rtt, lossPercent: loss})))
}

export function ascending(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b)
}

/**
 * A share of packets lost.
 *
 * @param text 0 to 50; beyond that no transfer ends
 * @throws OverlayError USAGE
 */
export function parseLoss(text: string): number {
  const percent = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && percent <= 50) return percent
  throw new OverlayError('USAGE', `--loss ${text}: not a percentage from 0 to 50`, {suggestions: ['--loss 0.1']})
}
