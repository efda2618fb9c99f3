/**
 * Which nonces of which edges a gateway has accepted, in memory that its processes share. No clock of an edge is
 * trusted: an edge instance is known or it must answer a challenge, and each of its counters opens one connection.
 *
 * For each instance there are {@link WINDOW} slots; slot[counter mod WINDOW] holds counter div WINDOW + 1, and is claimed
 * by compare-and-swap. An equal value is a duplicate, a greater one means that the counter lies more than a window back.
 */
export const WINDOW = 32_768
export const MAX_INSTANCES = 256

/** An instance that was heard of so recently is not replaced by a new one: longer than a challenge is good for. */
const EVICTION_AGE_S = 60
/** Whoever holds the registration lock longer has died. */
const LOCK_STALE_MS = 1000

// Words of 32 bits from the start.
const HEADER_WORDS = 64
const AT_LOCK = 32
const AT_LOCK_TIME = 33
const ENTRY_WORDS = 8
const ENTRY_STATE = 0
const ENTRY_HIGH = 1
const ENTRY_LOW = 2
const ENTRY_USED = 3
const ENTRY_FLOOR_HIGH = 4
const ENTRY_FLOOR_LOW = 5
const ENTRIES_AT = HEADER_WORDS
const SLOTS_AT = ENTRIES_AT + MAX_INSTANCES * ENTRY_WORDS

/** So many edge processes can be heard of also when the disk is full: 2 MiB. */
const RESERVED_INSTANCES = 16

/** Bytes that have their place from the beginning. */
export const REPLAY_RESERVED_BYTES = Math.ceil((4 * (SLOTS_AT + RESERVED_INSTANCES * WINDOW)) / 4096) * 4096

/** Bytes of the whole, a multiple of 4096; behind those reserved, slots are sparse until an instance has them. */
export const REPLAY_WINDOW_BYTES = Math.ceil((4 * (SLOTS_AT + MAX_INSTANCES * WINDOW)) / 4096) * 4096

/** Bytes at the start that belong to the caller: magic, boot secret. */
export const REPLAY_HEADER_BYTES = AT_LOCK * 4

export const Claim = {
  /** Never seen: the connection may go on. */
  Fresh: 0,
  Duplicate: 1,
  /** More than a window behind: it may have been seen. */
  TooOld: 2,
  /** The instance must answer a challenge first. */
  Unknown: 3,
  /** There is no room for another instance. */
  Full: 4,
} as const

export class ReplayWindow {
  private readonly words: Int32Array
  /** Entry of the instance that was found last; most gateways hear few edges. */
  private hint = 0

  /**
   * @param memory {@link REPLAY_WINDOW_BYTES}, zeroed up to {@link REPLAY_RESERVED_BYTES} when new
   * @param reserve gives bytes of the memory, from an offset on, their place; false when there is none for them
   */
  constructor(
    memory: ArrayBufferLike,
    private readonly reserve: (offset: number, length: number) => boolean = () => true,
  ) {
    this.words = new Int32Array(memory, 0, REPLAY_WINDOW_BYTES / 4)
  }

  /**
   * Claims a nonce for one connection.
   *
   * @param challengeGood the edge has just shown that it is alive
   * @param now monotonic ms, one clock for all processes that share the memory
   */
  claim(high: number, low: number, counter: number, challengeGood: boolean, now: number): number {
    let entry = this.locate(high, low)
    if (entry < 0) {
      if (!challengeGood) return Claim.Unknown
      entry = this.register(high, low, counter, now)
      if (entry < 0) return Claim.Full
    }

    const at = ENTRIES_AT + entry * ENTRY_WORDS
    const {words} = this
    // Counters from before the instance was registered here may have been used before it was evicted.
    const floor = (words[at + ENTRY_FLOOR_HIGH] >>> 0) * 4_294_967_296 + (words[at + ENTRY_FLOOR_LOW] >>> 0)
    if (counter < floor && !challengeGood) return Claim.Unknown
    Atomics.store(words, at + ENTRY_USED, seconds(now))
    const result = this.claimSlot(SLOTS_AT + entry * WINDOW + (counter % WINDOW), Math.floor(counter / WINDOW) + 1)
    // Evicted and given to another instance meanwhile: what was claimed was not this instance's slot.
    if (!this.holds(entry, high, low)) return Claim.Unknown
    return result
  }

  /**
   * Gives back a nonce that was claimed for a connection of which nothing was passed on: it may come once more. Those a
   * window before it are too old from here on.
   */
  release(high: number, low: number, counter: number): void {
    const entry = this.locate(high, low)
    if (entry < 0) return
    const claimed = Math.floor(counter / WINDOW) + 1
    Atomics.compareExchange(this.words, SLOTS_AT + entry * WINDOW + (counter % WINDOW), claimed | 0, (claimed - 1) | 0)
  }

  /** Instances known. */
  get instances(): number {
    let count = 0
    for (let entry = 0; entry < MAX_INSTANCES; entry++) {
      if (Atomics.load(this.words, ENTRIES_AT + entry * ENTRY_WORDS + ENTRY_STATE) === 1) count++
    }

    return count
  }

  private claimSlot(at: number, wanted: number): number {
    const {words} = this
    for (;;) {
      const found = Atomics.load(words, at)
      // Unsigned comparison.
      if (found === (wanted | 0)) return Claim.Duplicate
      if (found >>> 0 > wanted) return Claim.TooOld
      if (Atomics.compareExchange(words, at, found, wanted | 0) === found) return Claim.Fresh
    }
  }

  private locate(high: number, low: number): number {
    if (this.holds(this.hint, high, low)) return this.hint
    for (let entry = 0; entry < MAX_INSTANCES; entry++) {
      if (this.holds(entry, high, low)) {
        this.hint = entry
        return entry
      }
    }

    return -1
  }

  private holds(entry: number, high: number, low: number): boolean {
    const {words} = this
    const at = ENTRIES_AT + entry * ENTRY_WORDS
    return (
      Atomics.load(words, at + ENTRY_LOW) === (low | 0) &&
      Atomics.load(words, at + ENTRY_HIGH) === (high | 0) &&
      Atomics.load(words, at + ENTRY_STATE) === 1
    )
  }

  /** Gives an instance an entry: an unused one, or that of the instance unheard of for longest. */
  private register(high: number, low: number, counter: number, now: number): number {
    if (!this.lock(now)) return -1
    try {
      // Another process may have been faster.
      const present = this.locate(high, low)
      if (present >= 0) return present
      const entry = this.victim(now)
      if (entry < 0 || !this.reserve((SLOTS_AT + entry * WINDOW) * 4, WINDOW * 4)) return -1
      const {words} = this
      const at = ENTRIES_AT + entry * ENTRY_WORDS
      Atomics.store(words, at + ENTRY_STATE, 0)
      words.fill(0, SLOTS_AT + entry * WINDOW, SLOTS_AT + (entry + 1) * WINDOW)
      words[at + ENTRY_HIGH] = high | 0
      words[at + ENTRY_LOW] = low | 0
      words[at + ENTRY_USED] = seconds(now)
      words[at + ENTRY_FLOOR_HIGH] = Math.floor(counter / 4_294_967_296) | 0
      words[at + ENTRY_FLOOR_LOW] = counter | 0
      Atomics.store(words, at + ENTRY_STATE, 1)
      this.hint = entry
      return entry
    } finally {
      Atomics.store(this.words, AT_LOCK, 0)
    }
  }

  private victim(now: number): number {
    let oldest = -1
    let oldestAge = EVICTION_AGE_S
    for (let entry = 0; entry < MAX_INSTANCES; entry++) {
      const at = ENTRIES_AT + entry * ENTRY_WORDS
      if (Atomics.load(this.words, at + ENTRY_STATE) === 0) return entry
      const age = seconds(now) - Atomics.load(this.words, at + ENTRY_USED)
      if (age > oldestAge) {
        oldest = entry
        oldestAge = age
      }
    }

    return oldest
  }

  /** Registering takes microseconds, so waiting is spinning; false when somebody else keeps it for long. */
  private lock(now: number): boolean {
    const {words} = this
    for (let spins = 0; spins < 1_000_000; spins++) {
      const held = Atomics.compareExchange(words, AT_LOCK, 0, 1)
      if (held === 0) {
        Atomics.store(words, AT_LOCK_TIME, Math.floor(now) | 0)
        return true
      }

      const age = (Math.floor(now) | 0) - Atomics.load(words, AT_LOCK_TIME)
      if ((age > LOCK_STALE_MS || age < 0) && Atomics.compareExchange(words, AT_LOCK, 1, 0) === 1) continue
    }

    return false
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000) | 0
}
