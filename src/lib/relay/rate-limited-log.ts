export type LogLevel = 'info' | 'warning' | 'error'

export interface LogLine {
  level: LogLevel
  /** A fixed word: lines of one kind share a rate limit. */
  kind: string
  message: string
  /** The connection that it is about, as in lists of flows; not there when it is about none. */
  flow?: string
  /** Lines of this kind that were not shown since the last that was. */
  suppressed: number
}

/**
 * Lets the first lines of a kind through and then one per interval, with the number left out, so that a million bad
 * preambles are a few lines. Kinds are words of the source, never input, so their number is bounded.
 */
export class RateLimitedLog {
  private readonly kinds = new Map<string, {windowStart: number; shown: number; suppressed: number}>()

  constructor(
    private readonly emit: (line: LogLine) => void,
    private readonly clock: () => number,
    private readonly perInterval = 5,
    private readonly intervalMs = 10_000,
  ) {}

  info(kind: string, message: () => string, flow?: () => string | null): void {
    this.write('info', kind, message, flow)
  }

  warning(kind: string, message: () => string, flow?: () => string | null): void {
    this.write('warning', kind, message, flow)
  }

  error(kind: string, message: () => string, flow?: () => string | null): void {
    this.write('error', kind, message, flow)
  }

  /** @param message made only when the line is shown; so is `flow` */
  private write(level: LogLevel, kind: string, message: () => string, flow?: () => string | null): void {
    const now = this.clock()
    let state = this.kinds.get(kind)
    if (state === undefined) {
      state = {windowStart: now, shown: 0, suppressed: 0}
      this.kinds.set(kind, state)
    }

    if (now - state.windowStart >= this.intervalMs) {
      state.windowStart = now
      state.shown = 0
    }

    if (state.shown >= this.perInterval) {
      state.suppressed++
      return
    }

    state.shown++
    const {suppressed} = state
    state.suppressed = 0
    const about = flow?.() ?? undefined
    this.emit({level, kind, message: message(), ...(about !== undefined && {flow: about}), suppressed})
  }
}
