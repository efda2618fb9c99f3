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
    // Again and again: a timer may be early by the fraction of a ms, and another turn may have come before.
    for (let now = this.clock.now(); now < this.#next && !this.abandon.aborted; now = this.clock.now()) {
      await this.clock.wait(this.#next - now, this.abandon)
    }

    this.#next = this.clock.now() + this.intervalMs
    return !this.abandon.aborted
  }

  /** The first packet of an exchange has left now, perhaps later than its turn: the next turn is an interval from it. */
  left(): void {
    this.#next = Math.max(this.#next, this.clock.now() + this.intervalMs)
  }
}
