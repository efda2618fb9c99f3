import {nearest} from '../cli/nearest.js'
import {OverlayError} from '../errors/index.js'
import type {LinkChange} from './link-parameters.js'

/** The short words of the command line for the keys of a link. */
const NUMBERS: Record<string, keyof LinkChange> = {
  rtt: 'rttMs',
  delay: 'delayMs',
  jitter: 'jitterMs',
  loss: 'lossPercent',
  duplicate: 'duplicatePercent',
  reorder: 'reorderPercent',
  'reorder-delay': 'reorderDelayMs',
  rate: 'rateMbit',
  queue: 'queueBytes',
  seed: 'seed',
}
const RULES = ['drop', 'copy', 'hold'] as const
export const LINK_WORDS = [...Object.keys(NUMBERS), ...RULES]

/**
 * Reads what one link shall do, `rtt=80,loss=0.5,drop=syn:1,drop=data:1`; `drop=none` clears the rules of that action.
 * Ranges are checked later, with the rest of the lab.
 *
 * @param what names the flag in errors
 * @throws OverlayError USAGE
 */
export function parseLinkWords(text: string, what: string): LinkChange {
  const change: LinkChange = {}
  for (const word of text.split(',')) {
    const equals = word.indexOf('=')
    const key = equals === -1 ? word : word.slice(0, equals)
    const value = equals === -1 ? '' : word.slice(equals + 1)
    setWord(change, key, value, what)
  }

  return change
}

/** Puts one word into a change. @throws OverlayError USAGE */
export function setWord(change: LinkChange, key: string, value: string, what: string): void {
  const rule = RULES.find((name) => name === key)
  if (rule) {
    change[rule] = value === 'none' ? [] : [...(change[rule] ?? []), value]
    return
  }

  const name = NUMBERS[key]
  if (!name) {
    const near = nearest(key, LINK_WORDS)
    throw new OverlayError('USAGE', `${what}: "${key}" is nothing a link does`, {
      suggestions: [near ? `did you mean ${near}?` : `it does: ${LINK_WORDS.join(', ')}`],
    })
  }

  const number = Number(value)
  if (value.trim() === '' || !Number.isFinite(number)) {
    throw new OverlayError('USAGE', `${what}: ${key} "${value}" is not a number`)
  }

  Object.assign(change, {[name]: number})
}
