import type {KeyIds} from './key-change.js'

/** `sends with key 2, accepts key 1 too`: ids, never what stands behind them. */
export function renderKeys({current, previous}: KeyIds): string {
  return `sends with key ${current}${previous === null ? '' : `, accepts key ${previous} too`}`
}
