import {setTimeout as sleep} from 'node:timers/promises'

/** Lets exchanges with one target begin, one every `intervalMs` at most. */
export class Pacer {
  #next = 0

  constructor(
    readonly intervalMs: number,
    private readonly abandon: AbortSignal,
  ) {}

  /** Waits for the next turn. @returns false when the probe is abandoned instead */
  async turn(): Promise<boolean> {
    const now = performance.now()
    const at = Math.max(now, this.#next)
    this.#next = at + this.intervalMs
    if (at > now) await sleep(at - now, undefined, {signal: this.abandon}).catch(() => {})
    // A turn that came late does not bring the next one nearer.
    this.#next = Math.max(this.#next, performance.now() + this.intervalMs)
    return !this.abandon.aborted
  }
}
