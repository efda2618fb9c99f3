/** Buckets per doubling: a percentile is off by at most 1/128 of its value. */
const PER_OCTAVE = 64
const OCTAVES = 27
const BUCKETS = PER_OCTAVE * OCTAVES

export interface LatencySummary {
  count: number
  /** ms, µs precision; null without a sample. */
  p50: number | null
  p90: number | null
  p99: number | null
  max: number | null
}

/** Times from 1 µs to 134 s in logarithmic buckets; adding one allocates nothing. */
export class LatencyHistogram {
  private readonly counts = new Float64Array(BUCKETS)
  private total = 0
  private maxUs = 0

  /** @param ms a time; less than 1 µs counts as 1 µs */
  add(ms: number): void {
    const us = Math.max(1, ms * 1000)
    this.counts[bucketOf(us)]++
    this.total++
    if (us > this.maxUs) this.maxUs = us
  }

  /** Adds what {@link LatencyHistogram.toJSON} of another gave. */
  merge(other: HistogramJson): void {
    for (const [bucket, count] of other.buckets) {
      this.counts[bucket] += count
      this.total += count
    }

    this.maxUs = Math.max(this.maxUs, other.maxUs)
  }

  summary(): LatencySummary {
    return {
      count: this.total,
      p50: this.percentile(0.5),
      p90: this.percentile(0.9),
      p99: this.percentile(0.99),
      max: this.total === 0 ? null : roundMs(this.maxUs),
    }
  }

  toJSON(): HistogramJson {
    const buckets: [number, number][] = []
    for (let i = 0; i < BUCKETS; i++) if (this.counts[i] > 0) buckets.push([i, this.counts[i]])
    return {buckets, maxUs: this.maxUs}
  }

  /** @param share 0 to 1; the middle of the bucket, never above the largest value seen */
  private percentile(share: number): number | null {
    if (this.total === 0) return null
    let left = Math.ceil(share * this.total)
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.counts[i]
      if (left <= 0) return roundMs(Math.min(this.maxUs, bucketMiddleUs(i)))
    }

    return roundMs(this.maxUs)
  }
}

export interface HistogramJson {
  /** [bucket, count] of those that are not empty. */
  buckets: [number, number][]
  maxUs: number
}

function bucketOf(us: number): number {
  const octave = Math.floor(Math.log2(us))
  const within = Math.floor((us / 2 ** octave - 1) * PER_OCTAVE)
  return Math.min(BUCKETS - 1, octave * PER_OCTAVE + within)
}

/** µs. @param bucket as in {@link HistogramJson.buckets} */
export function bucketMiddleUs(bucket: number): number {
  const octave = Math.floor(bucket / PER_OCTAVE)
  return 2 ** octave * (1 + ((bucket % PER_OCTAVE) + 0.5) / PER_OCTAVE)
}

function roundMs(us: number): number {
  return Math.round(us) / 1000
}
