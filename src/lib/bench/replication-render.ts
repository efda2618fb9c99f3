import {textTable} from '../cli/table.js'
import {BULK_FIGURES, figureTable, percent} from './load-render.js'
import type {Percentiles} from './percentiles.js'
import type {ReplicationBench} from './replication-schema.js'

const FIGURES = [...BULK_FIGURES, {key: 'replicatedPerByte', title: 'replicated per byte', decimals: 3}]

/** The result as text: what was measured in words, a table for each case, then what acknowledgements wait. */
export function renderReplicationBench(bench: ReplicationBench): string {
  const {ack, cases} = bench
  return [
    `An edge with a backup (pair) beside one without (alone), over links that are bridges, ${bench.ms} ms a transfer;`,
    `${bench.congestionControl} on every socket, ${bench.rounds} rounds in turns: medians; ratios are to alone in the same round, median (lowest to`,
    'highest). Gbit/s of payload that arrived; CPU: processor time of all relays, the backup too, for 10^9 bytes;',
    'replicated: bytes that left the owner on the replication link for each byte of payload.',
    ...cases.flatMap(({direction, streams, paths}) => [
      '',
      `${streams} ${streams === 1 ? 'stream' : 'streams'} ${direction}`,
      figureTable(FIGURES, paths),
    ]),
    ...cases.flatMap(({direction, streams, paths}) =>
      paths.flatMap(({name, failed, messages}) =>
        failed === 0 ? [] : [`${streams} ${direction}, ${name}: ${failed} failed: ${messages.join('; ')}`],
      ),
    ),
    '',
    `The most that the backup held at a time: ${bench.journalHighestBytes} bytes.`,
    '',
    'From the last of two segments leaving the client to its acknowledgement, and the replication link by itself:',
    '',
    textTable(
      [{title: 'ms'}, {title: 'p50', align: 'right'}, {title: 'p90', align: 'right'}, {title: 'p99', align: 'right'}],
      [
        ['alone', ...cells(ack.aloneMs)],
        ['pair', ...cells(ack.pairMs)],
        ['link, round trip', ...cells(ack.linkRttMs)],
      ],
    ),
    '',
    ...(ack.addedMs === null || ack.goalMs === null
      ? []
      : [
          `Added by the backup, p50: ${ack.addedMs.median.toFixed(3)} ms (${ack.addedMs.lowest.toFixed(3)} to ${ack.addedMs.highest.toFixed(3)}); 1.5 round trips of the link and 0.3 ms: ${ack.goalMs.toFixed(3)} ms.`,
        ]),
    `While transfers were measured other programs used ${percent(bench.machine.othersShare)} of the processors' time, a hypervisor took ${percent(bench.machine.stealShare)}.`,
  ].join('\n')
}

const cells = (of: Percentiles | null): string[] =>
  of === null ? ['-', '-', '-'] : [of.p50, of.p90, of.p99].map((value) => value.toFixed(3))
