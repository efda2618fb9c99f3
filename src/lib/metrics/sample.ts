import {bucketMiddleUs, type HistogramJson} from '../relay/latency-histogram.js'
import type {MetricName} from './catalogue.js'

/** One value of one time series. */
export interface Sample {
  metric: MetricName
  /** Of a histogram's series. */
  suffix?: '_bucket' | '_count' | '_sum'
  labels: Readonly<Record<string, string>>
  value: number
}

/** Upper bounds of histogram buckets, seconds: from a neighbour in the same room to a retransmitted SYN or two. */
export const BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const

export function sample(metric: MetricName, value: boolean | number, labels: Sample['labels'] = {}): Sample {
  return {metric, labels, value: Number(value)}
}

/** Times counted in fine buckets, as a Prometheus histogram: each counts as the middle of its bucket, off by 1/128 at most. */
export function histogramSamples(
  metric: MetricName,
  {buckets}: HistogramJson,
  labels: Sample['labels'] = {},
): Sample[] {
  const counts = BUCKETS_SECONDS.map(() => 0)
  let sum = 0
  let total = 0
  for (const [bucket, count] of buckets) {
    const seconds = bucketMiddleUs(bucket) / 1e6
    sum += seconds * count
    total += count
    for (const [index, bound] of BUCKETS_SECONDS.entries()) if (seconds <= bound) counts[index] += count
  }

  return [
    ...BUCKETS_SECONDS.map((bound, index): Sample => ({
      metric,
      suffix: '_bucket',
      labels: {...labels, le: String(bound)},
      value: counts[index],
    })),
    {metric, suffix: '_bucket', labels: {...labels, le: '+Inf'}, value: total},
    {metric, suffix: '_sum', labels, value: sum},
    {metric, suffix: '_count', labels, value: total},
  ]
}
