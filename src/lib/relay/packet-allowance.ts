/** So many packets a second, of which at most a second's may be saved up (a token bucket). Pure. */
export class PacketAllowance {
  #left: number
  #refilled: number

  /** @param now ms, of any clock that does not go back */
  constructor(
    readonly perSecond: number,
    now: number,
  ) {
    this.#left = perSecond
    this.#refilled = now
  }

  /** Adds what the time since the last call has earned. */
  refill(now: number): void {
    this.#left = Math.min(this.perSecond, this.#left + ((now - this.#refilled) * this.perSecond) / 1000)
    this.#refilled = now
  }

  /** Takes one. @returns false when there is none */
  take(): boolean {
    if (this.#left < 1) return false
    this.#left--
    return true
  }

  get left(): number {
    return this.#left
  }
}
