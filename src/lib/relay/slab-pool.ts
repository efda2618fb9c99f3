import {addressOf} from '../kernel/libc.js'

/** A block of memory that a connection borrows; its address is good for as long as the slab is held. */
export class Slab {
  readonly bytes: Buffer
  readonly address: number

  constructor(readonly size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size)
    this.address = addressOf(this.bytes)
  }
}

/** Slabs of one size. It keeps some free ones, so that a steady load allocates nothing; the rest is left to the collector. */
export class SlabPool {
  /** Slabs lent out now. */
  lent = 0
  private readonly free: Slab[] = []

  /**
   * @param size bytes of each slab
   * @param keep how many free slabs to hold on to
   */
  constructor(
    readonly size: number,
    private readonly keep: number,
  ) {}

  take(): Slab {
    this.lent++
    return this.free.pop() ?? new Slab(this.size)
  }

  give(slab: Slab): void {
    this.lent--
    if (this.free.length < this.keep) this.free.push(slab)
  }
}

/**
 * In front of a connection's early bytes there is room for the reply that comes back (at 0, 40 bytes) and for the
 * preamble that goes out (its end at this offset), so that preamble and early bytes leave in one send.
 */
export const HEADROOM = 256

/** Bytes of a client that an edge keeps until the gateway has accepted the connection, at most. */
export const EARLY_LIMIT = 65_536

/** The two sizes: most requests fit the small one. */
export class Slabs {
  readonly small = new SlabPool(4096, 4096)
  readonly large = new SlabPool(HEADROOM + EARLY_LIMIT, 256)

  give(slab: Slab): void {
    if (slab.size === this.small.size) this.small.give(slab)
    else this.large.give(slab)
  }

  /** The smaller slab that holds so many bytes. */
  takeFor(length: number): Slab {
    return length <= this.small.size ? this.small.take() : this.large.take()
  }
}
