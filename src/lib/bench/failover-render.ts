import {textTable} from '../cli/table.js'
import type {Gaps} from '../failover/verdict.js'
import type {FailoverBench, FailoverBenchRow} from './failover-bench.js'
import type {Ratio} from './ratio.js'

/** The result as text: what was measured in words, and a table. */
export function renderFailoverBench({rttMs, rounds, bytes, kills, rows, bridged}: FailoverBench): string {
  const columns = [
    'replication ack ms',
    'ACK ms p50',
    'p99',
    'added p50',
    'upload ratio',
    'download ratio',
    'gap ms p50/p99/max',
    'longest wait p50/p99/max',
    'reset',
  ]
  return [
    `An edge with a backup beside one without, round trips of ${rttMs} ms on each link, ${rounds} rounds in turns.`,
    'ACK: from the last of two segments leaving the client to its acknowledgement. Ratios: rate of a transfer of',
    `${bytes} bytes to that without replication in the same round, median (lowest to highest). Gap and longest wait: of`,
    `connections open at one of ${kills} kills of the owner (docs/FAILOVER.md); without replication they die with it.`,
    '',
    textTable(
      columns.map((title, index) => (index === 0 ? {title} : {title, align: 'right' as const})),
      rows.map((row) => cells(row)),
    ),
    '',
    'Over links that are bridges, where no process of the lab carries frames, the same ratios at no added latency:',
    `upload ${ratioText(bridged.upload)}, download ${ratioText(bridged.download)}.`,
  ].join('\n')
}

function cells(row: FailoverBenchRow): string[] {
  const {replicationAckMs, ackDelayMs, ackDelayAddedMs, upload, download, gapMs, pauseMs, connectionsReset} = row
  return [
    replicationAckMs === null ? 'none' : `${replicationAckMs}`,
    ms(ackDelayMs?.p50),
    ms(ackDelayMs?.p99),
    replicationAckMs === null ? '-' : ms(ackDelayAddedMs),
    replicationAckMs === null ? '1' : ratioText(upload),
    replicationAckMs === null ? '1' : ratioText(download),
    gaps(gapMs),
    gaps(pauseMs),
    connectionsReset === null ? '-' : `${connectionsReset}`,
  ]
}

const ms = (value: number | null | undefined): string =>
  value === null || value === undefined ? '-' : value.toFixed(2)

const ratioText = (value: Ratio | null): string =>
  value === null ? '-' : `${value.median.toFixed(2)} (${value.lowest.toFixed(2)} to ${value.highest.toFixed(2)})`

const gaps = (value: Gaps | null): string =>
  value === null
    ? '-'
    : [value.p50, value.p99, value.max].map((each) => (each === null ? '-' : Math.round(each))).join('/')
