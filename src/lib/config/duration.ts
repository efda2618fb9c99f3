import {OverlayError} from '../errors/index.js'

const UNITS: Record<string, number> = {ms: 1, s: 1000, m: 60_000, h: 3_600_000}

/** The longest that a duration may be: timers count in 32 bits of ms. */
const LONGEST_MS = 24 * 3_600_000

/**
 * Reads `500ms`, `10s`, `5m`, `1.5h`.
 *
 * @param what names the value in the error
 * @returns ms, 1 to 24 hours
 * @throws OverlayError USAGE
 */
export function parseDuration(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  const ms = match ? Math.round(Number(match[1]) * UNITS[match[2]]) : 0
  if (ms < 1 || ms > LONGEST_MS) {
    throw new OverlayError('USAGE', `${what}: "${text}" is not a duration from 1ms to 24h`, {
      suggestions: ['write a number and ms, s, m or h, e.g. 500ms or 30s'],
    })
  }

  return ms
}

/** The shortest text that {@link parseDuration} reads as so many ms: 3,600,000 is `1h`, 1500 is `1500ms`. */
export function formatDuration(ms: number): string {
  const unit = ['h', 'm', 's'].find((name) => ms % UNITS[name] === 0) ?? 'ms'
  return `${ms / UNITS[unit]}${unit}`
}
