/** A deadline of one owner; made once with the owner and armed again and again. */
export class Timer {
  /** In the wheel's ms; fires at this time or up to one tick later. */
  deadline = 0
  next: Timer | null = null
  previous: Timer | null = null
  /** The list this timer hangs in; −1 when it is not armed. */
  list = -1

  constructor(readonly expire: () => void) {}

  get armed(): boolean {
    return this.list >= 0
  }
}

/**
 * A hashed timer wheel: arming and cancelling are a few assignments and allocate nothing. Deadlines beyond one turn of
 * the wheel stay in their slot and are passed over until they are due.
 */
export class TimerWheel {
  private readonly heads: (Timer | null)[]
  private readonly expiredList: number
  private tick: number
  /** No slot before this tick holds a timer; a lower bound. */
  private nextTick = Number.POSITIVE_INFINITY
  private count = 0

  /**
   * @param now ms, the clock that deadlines are given in
   * @param tickMs resolution
   * @param slots a power of two
   */
  constructor(
    now: number,
    private readonly tickMs = 10,
    private readonly slots = 1024,
  ) {
    this.heads = Array.from({length: slots + 1}, () => null)
    this.expiredList = slots
    this.tick = Math.floor(now / tickMs)
  }

  /** Sets or moves a timer. One that lies in the past fires at the next {@link TimerWheel.advance}. */
  arm(timer: Timer, deadline: number): void {
    if (timer.list >= 0) this.cancel(timer)
    timer.deadline = deadline
    const due = Math.max(Math.ceil(deadline / this.tickMs), this.tick + 1)
    if (due < this.nextTick) this.nextTick = due
    this.link(timer, due & (this.slots - 1))
    this.count++
  }

  cancel(timer: Timer): void {
    if (timer.list < 0) return
    this.unlink(timer)
    this.count--
  }

  /** Fires what is due. A timer may arm and cancel any other while it fires. */
  advance(now: number): void {
    const target = Math.floor(now / this.tickMs)
    if (target <= this.tick) return
    if (target < this.nextTick) {
      this.tick = target
      return
    }

    const first = Math.max(this.tick + 1, target - this.slots + 1)
    for (let tick = first; tick <= target; tick++) this.collect(tick & (this.slots - 1), target)
    this.tick = target
    this.nextTick = this.findNext()
    for (let timer = this.heads[this.expiredList]; timer !== null; timer = this.heads[this.expiredList]) {
      this.cancel(timer)
      timer.expire()
    }
  }

  /** ms until {@link TimerWheel.advance} may have something to do; −1 when no timer is armed. */
  delay(now: number): number {
    if (this.count === 0) return -1
    return Math.max(0, Math.ceil(this.nextTick * this.tickMs - now))
  }

  private collect(slot: number, target: number): void {
    for (let timer = this.heads[slot]; timer !== null;) {
      const {next} = timer
      if (Math.ceil(timer.deadline / this.tickMs) <= target) {
        this.unlink(timer)
        this.link(timer, this.expiredList)
      }

      timer = next
    }
  }

  private findNext(): number {
    for (let tick = this.tick + 1; tick <= this.tick + this.slots; tick++) {
      if (this.heads[tick & (this.slots - 1)] !== null) return tick
    }

    return Number.POSITIVE_INFINITY
  }

  private link(timer: Timer, list: number): void {
    const head = this.heads[list]
    timer.list = list
    timer.previous = null
    timer.next = head
    if (head !== null) head.previous = timer
    this.heads[list] = timer
  }

  private unlink(timer: Timer): void {
    if (timer.previous === null) this.heads[timer.list] = timer.next
    else timer.previous.next = timer.next
    if (timer.next !== null) timer.next.previous = timer.previous
    timer.next = null
    timer.previous = null
    timer.list = -1
  }
}
