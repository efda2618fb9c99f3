import {plot} from 'simple-ascii-chart'

import {round} from '../../bench/percentiles.js'
import type {SavingsRow} from '../model/schema.js'
import {greatest} from './handshake-rtts.js'

const WIDTH = 60
const HEIGHT = 12
const BINS = 12
const BAR_WIDTH = 50

/** Mean handshake time saved by zero-RTT against replication-ack latency, as characters. */
export function savingsPlot(savings: readonly SavingsRow[]): string {
  const points = savings.flatMap(({replicationAckMs, handshakeSavedMs}): [number, number][] =>
    handshakeSavedMs ? [[replicationAckMs, handshakeSavedMs.mean]] : [],
  )
  if (points.length < 2) return 'Saved time against replication-ack latency: fewer than two latencies to plot.'
  return plot(points, {
    title: 'mean handshake time saved with zero-RTT, ms, against replication-ack latency, ms',
    width: WIDTH,
    height: HEIGHT,
    formatter: (value) => round(value),
    thresholds: points.some(([, saved]) => saved < 0) ? [{y: 0}] : [],
  }).replaceAll(/ +$/gm, '')
}

/** How many connections have which handshake round trip, as bars of characters. */
export function rttPlot(rttMs: Iterable<number> & {length: number}): string {
  if (rttMs.length === 0) return 'Handshake round trips: none to plot.'
  const highest = Math.max(greatest(rttMs), 0.001)
  const counts = Array.from({length: BINS}, () => 0)
  for (const rtt of rttMs) counts[Math.min(BINS - 1, Math.floor((rtt / highest) * BINS))]++
  const most = Math.max(...counts)
  const label = (bin: number): string => ((highest * bin) / BINS).toFixed(1)
  const width = label(BINS).length
  return [
    'connections by handshake round trip, ms',
    ...counts.map((count, bin) => {
      const bar = '█'.repeat(Math.ceil((count / most) * BAR_WIDTH))
      return `${label(bin).padStart(width)} to ${label(bin + 1).padStart(width)}  ${bar}${bar === '' ? '' : ' '}${count}`
    }),
  ].join('\n')
}
