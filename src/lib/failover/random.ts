/** A small seeded generator (mulberry32): the same seed, the same run. Not for secrets. */
export class SeededRandom {
  #state: number

  /** @param seed 32 bits */
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 0 to 1, 1 excluded. */
  next(): number {
    this.#state = (this.#state + 0x6d_2b_79_f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** Both ends included for whole numbers. */
  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }
}
