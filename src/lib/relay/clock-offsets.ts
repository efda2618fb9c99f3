/** Edge instances whose clocks are remembered; the one heard of longest ago is forgotten first. */
const LIMIT = 64

/** How far the clocks of edges are from this host's, as their preambles tell. For people; nothing depends on it. */
export class ClockOffsets {
  private readonly offsets = new Map<string, number>()
  private lastHigh = -1
  private lastLow = -1
  private notedAt = 0

  /**
   * @param preamble instance as two numbers and the edge's time in Unix ms
   * @param now Unix ms
   */
  note(preamble: {instanceHigh: number; instanceLow: number; timestamp: number}, now: number): void {
    const {instanceHigh, instanceLow, timestamp} = preamble
    // Once a second for each edge is enough, and costs nothing in between.
    if (instanceHigh === this.lastHigh && instanceLow === this.lastLow && Math.abs(now - this.notedAt) < 1000) return
    this.lastHigh = instanceHigh
    this.lastLow = instanceLow
    this.notedAt = now
    const name = instanceHigh.toString(16).padStart(8, '0') + instanceLow.toString(16).padStart(8, '0')
    this.offsets.delete(name)
    this.offsets.set(name, timestamp - now)
    if (this.offsets.size > LIMIT) {
      const oldest = this.offsets.keys().next().value
      if (oldest !== undefined) this.offsets.delete(oldest)
    }
  }

  /** ms by which each edge's clock is ahead of ours, less the time that the preamble travelled. */
  toJSON(): Record<string, number> {
    return Object.fromEntries(this.offsets)
  }
}
