/** A segment between a peer and the address: offsets instead of sequence numbers, a FIN counted as one. */
export interface Segment {
  readonly offset: number
  readonly bytes: Buffer
  readonly fin: boolean
  /** What the sender has of the other direction. */
  readonly ack: number
}

/** The byte that stands at an offset of a stream: another one in another place, for the most part. */
export function byteAt(stream: number, offset: number): number {
  return (Math.imul(stream + 1, 40_503) + Math.imul(offset, 2_654_435_761) + (offset >>> 8)) & 0xff
}

const WINDOW = 3000

/** A client or an origin: sends its stream until it is acknowledged, takes the other stream in order. */
export class Peer {
  /** What was acknowledged to it. */
  una = 0
  /** What it has taken, the FIN counted. */
  taken = 0
  takenFin = false
  /** Acknowledges and takes nothing while true: a reader that is busy. */
  busy = false
  over = false

  constructor(
    readonly sends: number,
    readonly takes: number,
    readonly length: number,
  ) {}

  get finished(): boolean {
    return this.una > this.length && this.takenFin
  }

  segment(): Segment {
    const offset = Math.min(this.una, this.length)
    const end = Math.min(this.length, offset + WINDOW)
    const bytes = Buffer.alloc(end - offset)
    for (let i = 0; i < bytes.length; i++) bytes[i] = byteAt(this.sends, offset + i)
    return {offset, bytes, fin: end === this.length, ack: this.taken}
  }

  /** Returns what is wrong with a segment, or null. */
  take({offset, bytes, fin, ack}: Segment, expected: number): string | null {
    if (ack > this.length + 1) return `acknowledged ${ack} of ${this.length + 1}`
    this.una = Math.max(this.una, ack)
    if (this.busy || this.takenFin) return null
    for (let i = Math.max(0, this.taken - offset); i < bytes.length && offset <= this.taken; i++) {
      if (bytes[i] !== byteAt(this.takes, offset + i)) return `another byte at ${offset + i}`
      this.taken++
    }

    if (fin && offset + bytes.length === this.taken) {
      if (this.taken !== expected) return `the end at ${this.taken}, not at ${expected}`
      this.taken++
      this.takenFin = true
    }

    return null
  }
}
