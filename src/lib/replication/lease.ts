/** The owner's right to speak for the address, in ms of a monotonic clock that goes on while the machine sleeps. */
export class Lease {
  #until = Number.NEGATIVE_INFINITY
  /** Nobody else can be granted the address before {@link #aloneUntil}. */
  #alone = false
  #aloneUntil = Number.POSITIVE_INFINITY
  #given = false
  #lastBeat = Number.NEGATIVE_INFINITY

  /** @param leaseMs shorter than the backup's takeoverMs by more than two clocks can differ in that time */
  constructor(readonly leaseMs: number) {}

  get alone(): boolean {
    return this.#alone
  }

  /** ms when it runs out: its negative infinity for an owner that gave the address away. */
  get until(): number {
    if (this.#given) return Number.NEGATIVE_INFINITY
    return this.#alone ? this.#aloneUntil : this.#until
  }

  valid(now: number): boolean {
    return !this.#given && now < (this.#alone ? this.#aloneUntil : this.#until)
  }

  /** For how long an owner that is alone may be so, ms; infinity unless a coordinator keeps the right to it. */
  certainUntil(until: number): void {
    this.#aloneUntil = until
  }

  becomeAlone(): void {
    this.#alone = true
    this.#given = false
  }

  /**
   * From here on a backup may take over when it hears nothing: the lease of an owner that was alone counts from the time
   * this was sent. One that was not alone gains nothing by it: a holder may have taken over since its HELLO, and only the
   * answer to a heartbeat says that it has not.
   */
  becomePaired(sentAt: number): void {
    if (!this.#alone) return
    this.#alone = false
    this.#until = sentAt + this.leaseMs
  }

  /** A heartbeat leaves. */
  beat(now: number): void {
    this.#lastBeat = now
  }

  /**
   * The backup has answered a heartbeat. It has heard us then at the time of sending or later, never earlier.
   *
   * @returns false when no heartbeat was sent at that time
   */
  renew(sentAt: number): boolean {
    if (sentAt > this.#lastBeat) return false
    this.#until = Math.max(this.#until, sentAt + this.leaseMs)
    return true
  }

  /** The address was given away: silent from now on, until {@link takeBack}. */
  give(): void {
    this.#given = true
  }

  takeBack(): void {
    this.#given = false
  }

  get given(): boolean {
    return this.#given
  }
}
