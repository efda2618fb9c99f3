import {keptOfDirection} from '../analysis/stream-keeper.js'
import {TOLERANCE_MS, TOLERANCE_SHARE, within} from '../live/compare.js'
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
  const filler =
    fillerBytes > 0
      ? ` (${fillerBytes} bytes are filler: not captured, or beyond the first ${keptOfDirection(connections)} of a direction)`
      : ''
  const out = leftOut.map(({reason, connections: count}) => `${count} ${reason}`).join(', ')
  return [
    `${connections} connections of ${bytes} bytes over each path ${repeats} times, the shortest time of each counting${filler}, ${concurrency} at a time, think times divided by ${speedUp}, links of ${labRttMs.length} direct round trips from ${labRttMs[0]} to ${labRttMs.at(-1)} ms, ${congestionControl} on every socket.`,
    out === '' ? '' : `Not played: ${out}.`,
    complete ? '' : 'The deadline came before everything was played.',
  ]
    .filter((words) => words !== '')
    .join(' ')
}

/** How to read the columns, and what lies behind the differences. */
export function explainedWords({explained, rows}: LiveResult): string[] {
  const {directMs, relaysMs, pairMs} = explained
  const tolerance = `${TOLERANCE_MS} ms or ${TOLERANCE_SHARE * 100} % of the modelled saving`
  const sentences: string[] = [
    'Medians in ms. saved: direct less this path, of the handshake time; modelled: round trips alone.',
    'programs: what of it is no round trip, that is direct less this path of small conversations over links without delay.',
    `rest: saved measured less modelled and programs, per connection; agrees: at most ${tolerance}.`,
  ]
  const parts = [
    directMs === null
      ? ''
      : `a direct handshake takes ${directMs} ms (carrying packets, kernels, the programs at both ends)`,
    relaysMs === null ? '' : `two relays with a zero-RTT leg ${relaysMs} ms beyond that`,
    pairMs === null ? '' : `a pair’s own work ${pairMs} ms beyond that`,
  ].filter((words) => words !== '')
  if (parts.length > 0) sentences.push(`Over links without delay ${parts.join('; ')}.`)
  const compared = rows.flatMap(({handshakeSavedMs: saved}) =>
    saved?.differenceMs && saved.modelled ? [within(saved.differenceMs.p50, saved.modelled.p50)] : [],
  )
  if (compared.length > 0) {
    const near = compared.filter(Boolean).length
    sentences.push(`By round trips alone ${near} of ${compared.length} paths are within ${tolerance}.`)
  }

  for (const row of rows) {
    if (row.failed > 0) sentences.push(`${liveRowName(row)}: ${row.failed} failed: ${row.errorMessages.join('; ')}.`)
  }

  return sentences
}

/** A figure of a row that every connection shares, ms. */
export function fixedMs(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? '-' : ms.toFixed(2)
}
