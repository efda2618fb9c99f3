/** How an interface of a pcapng file counts time (draft-ietf-opsawg-pcapng section 4.2, if_tsresol and if_tsoffset). */
export interface PcapngClock {
  /** Units in a second when that is a power of ten of 10^9 at most; else 0. */
  unitsPerSecond: number
  /** The same where it may be more, or a power of two. */
  exactUnitsPerSecond: bigint
  /** Seconds to add. */
  offsetSeconds: number
}

/** Microseconds since 1970: what holds without options. */
export const DEFAULT_CLOCK: PcapngClock = {
  unitsPerSecond: 1_000_000,
  exactUnitsPerSecond: 1_000_000n,
  offsetSeconds: 0,
}

/**
 * @param resolution the byte of if_tsresol: a negative power of ten, or of two with bit 7 set
 * @param offsetSeconds of if_tsoffset
 */
export function pcapngClock(resolution: number, offsetSeconds: number): PcapngClock {
  const power = BigInt(resolution & 0x7f)
  const binary = (resolution & 0x80) !== 0
  const exactUnitsPerSecond = (binary ? 2n : 10n) ** power
  return {
    unitsPerSecond: !binary && power <= 9n ? Number(exactUnitsPerSecond) : 0,
    exactUnitsPerSecond,
    offsetSeconds,
  }
}

/** Where {@link splitTime} leaves its result, so that no packet costs an object. */
export interface SplitTime {
  seconds: number
  nanoseconds: number
}

/**
 * A 64-bit timestamp as seconds and nanoseconds; what is finer is cut off.
 *
 * @param high upper 32 bits, unsigned, as `low`
 */
export function splitTime(clock: PcapngClock, high: number, low: number, result: SplitTime): void {
  const units = clock.unitsPerSecond
  if (units === 0) {
    const ticks = (BigInt(high) << 32n) | BigInt(low)
    const seconds = ticks / clock.exactUnitsPerSecond
    const rest = ticks - seconds * clock.exactUnitsPerSecond
    result.seconds = Number(seconds) + clock.offsetSeconds
    result.nanoseconds = Number((rest * 1_000_000_000n) / clock.exactUnitsPerSecond)
    return
  }

  // Long division in steps that stay below 2^53: `units` has 30 bits at most.
  const whole = Math.floor(high / units)
  const middle = (high - whole * units) * 65_536 + (low >>> 16)
  const upper = Math.floor(middle / units)
  const last = (middle - upper * units) * 65_536 + (low & 0xffff)
  const lower = Math.floor(last / units)
  result.seconds = whole * 4_294_967_296 + upper * 65_536 + lower + clock.offsetSeconds
  result.nanoseconds = (last - lower * units) * (1_000_000_000 / units)
}
