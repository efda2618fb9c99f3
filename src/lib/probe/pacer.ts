import {setTimeout as sleep} from 'node:timers/promises'

/** Where a pacer's time comes from. */
export interface PaceClock {
  /** ms, never going back. */
  now(): number
  /** Returns after `ms`, or when `abandon` is aborted. */
  wait(ms: number, abandon: AbortSignal): Promise<void>
}

const PROCESS_CLOCK: PaceClock = {
  now: () => performance.now(),
  wait: (ms, signal) => sleep(ms, undefined, {signal}).catch(() => {}),
}

/** Lets exchanges with one target begin, one every `intervalMs` at most. */
export class Pacer {
  #next = 0

  constructor(
    readonly intervalMs: number,
    private readonly abandon: AbortSignal,
    private readonly clock: PaceClock = PROCESS_CLOCK,
  ) {}

  /** Waits for the next turn. @returns false when the probe is abandoned instead */
  async turn(): Promise<boolean> {
    const now = this.clock.now()
    const at = Math.max(now, this.#next)
    this.#next = at + this.intervalMs
    if (at > now) await this.clock.wait(at - now, this.abandon)
    // A turn that came late does not bring the next one nearer.
    this.#next = Math.max(this.#next, this.clock.now() + this.intervalMs)
    return !this.abandon.aborted
  }
}
