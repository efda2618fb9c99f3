import {TOLERANCE_MS, TOLERANCE_SHARE} from '../live/compare.js'
import type {LiveResult, LiveRow} from '../live/schema.js'

/** A row's path as it is printed. */
export function liveRowName({path, replicationAckMs}: LiveRow): string {
  return replicationAckMs === null ? path : `${path}, pair at ${replicationAckMs} ms`
}

/** What was played and how, in words. */
export function liveWords(live: LiveResult): string {
  const {
    connections,
    bytes,
    fillerBytes,
    repeats,
    speedUp,
    concurrency,
    labRttMs,
    congestionControl,
    complete,
    leftOut,
  } = live
  const out = leftOut.map(({reason, connections: count}) => `${count} ${reason}`).join(', ')
  return [
    `${connections} connections of ${bytes} bytes over each path ${repeats} times, the shortest time of each counting${fillerBytes > 0 ? ` (${fillerBytes} bytes were not captured: filler)` : ''}, ${concurrency} at a time, think times divided by ${speedUp}, links of ${labRttMs.length} direct round trips from ${labRttMs[0]} to ${labRttMs.at(-1)} ms, ${congestionControl} on every socket.`,
    out === '' ? '' : `Not played: ${out}.`,
    complete ? '' : 'The deadline came before everything was played.',
  ]
    .filter((words) => words !== '')
    .join(' ')
}

/** How to read the columns, and what lies behind the differences. */
export function explainedWords({explained, rows}: LiveResult): string[] {
  const {directMs, relaysMs, pairMs} = explained
  const sentences: string[] = [
    `Medians in ms. difference: saving measured less modelled, per connection; agrees: at most ${TOLERANCE_MS} ms or ${TOLERANCE_SHARE * 100} % of the modelled.`,
  ]
  const parts = [
    directMs === null ? '' : `links, kernels and the programs at both ends add ${directMs} ms to a direct handshake`,
    relaysMs === null ? '' : `two relays with a zero-RTT leg ${relaysMs} ms beyond that`,
    pairMs === null ? '' : `a backup’s own work ${pairMs} ms beyond that and the latency`,
  ].filter((words) => words !== '')
  if (parts.length > 0) sentences.push(`Where measured and modelled differ: ${parts.join('; ')}.`)
  for (const row of rows) {
    if (row.failed > 0) sentences.push(`${liveRowName(row)}: ${row.failed} failed: ${row.errorMessages.join('; ')}.`)
  }

  return sentences
}
