import {isMapped} from '../kernel/sockaddr.js'

/** What one client, service or origin may have; 0 stands for no limit. */
export interface Limit {
  /** Connections open at a time. */
  connections: number
  /** New connections in a second; as many may come at once after a second without any. */
  rate: number
}

export const Admission = {Granted: 0, TooMany: 1, TooFast: 2} as const

/** Counts the connections of one client, service or origin, against a limit. Pure: told the time in ms. */
export class Meter {
  live = 0
  private tokens = Number.POSITIVE_INFINITY
  private at = 0

  /** Takes one more connection if the limit allows it. @returns one of {@link Admission} */
  admit({connections, rate}: Limit, now: number): number {
    if (connections > 0 && this.live >= connections) return Admission.TooMany
    if (rate > 0) {
      this.tokens = Math.min(rate, this.tokens + ((now - this.at) * rate) / 1000)
      this.at = now
      if (this.tokens < 1) return Admission.TooFast
      this.tokens--
    }

    this.live++
    return Admission.Granted
  }

  /** A connection that exists is this one's, whatever the limit says. */
  adopt(): void {
    this.live++
  }

  release(): void {
    this.live--
  }

  /** Forgetting it would change no answer. */
  idle(rate: number, now: number): boolean {
    return this.live === 0 && (rate === 0 || this.tokens + ((now - this.at) * rate) / 1000 >= rate)
  }
}

/** A full table is looked through for idle meters so often at most, ms. */
const SWEEP_MS = 100

/**
 * Meters by key, in bounded memory: those with open connections, and those used within the last second. Pure.
 */
export class Meters<Key extends number | string> {
  private readonly meters = new Map<Key, Meter>()
  private sweptAt = Number.NEGATIVE_INFINITY

  /** @param most meters kept at a time */
  constructor(private readonly most: number) {}

  get size(): number {
    return this.meters.size
  }

  /** @returns null when the table is full of others: then nothing is known of this one, and other limits must do */
  of(key: Key, {rate}: Limit, now: number): Meter | null {
    let meter = this.meters.get(key)
    if (meter !== undefined) return meter
    if (this.meters.size >= this.most) this.sweep(rate, now)
    if (this.meters.size >= this.most) return null
    meter = new Meter()
    this.meters.set(key, meter)
    return meter
  }

  private sweep(rate: number, now: number): void {
    if (now - this.sweptAt < SWEEP_MS) return
    this.sweptAt = now
    for (const [key, meter] of this.meters) if (meter.idle(rate, now)) this.meters.delete(key)
  }
}

/**
 * Whom a client's connections are counted for: its address, of IPv6 the /64, all of which one host may have.
 *
 * @param address 16 bytes, IPv4 as IPv4-mapped
 */
export function clientKey(address: Buffer): number | string {
  return isMapped(address) ? address.readUInt32BE(12) : address.toString('latin1', 0, 8)
}

/** @param address 16 bytes, IPv4 as IPv4-mapped */
export function originKey(address: Buffer, port: number): string {
  return `${address.toString('latin1')}${port}`
}
