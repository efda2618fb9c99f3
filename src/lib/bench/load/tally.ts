import {percentiles} from '../percentiles.js'
import type {LoadOutcome} from './orders.js'

const MESSAGES = 10

/** What comes together while an order is carried out. */
export class Tally {
  bytes = 0
  done = 0
  failed = 0
  readonly exchangeMs: number[] = []
  readonly #messages = new Set<string>()

  fail(message: string): void {
    this.failed++
    if (this.#messages.size < MESSAGES) this.#messages.add(message)
  }

  outcome(ms: number): LoadOutcome {
    const {bytes, done, failed, exchangeMs} = this
    return {ms, bytes, done, failed, exchangeMs: percentiles(exchangeMs), messages: [...this.#messages]}
  }
}
