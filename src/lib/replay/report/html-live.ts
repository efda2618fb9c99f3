import type {Distribution} from '../model/distribution.js'
import type {LiveResult} from '../live/schema.js'
import {escapeHtml, table} from './html-table.js'
import {explainedWords, fixedMs, liveRowName, liveWords} from './live-words.js'

/** Measured beside modelled. */
export function liveSection(live: LiveResult): string {
  const rows = live.rows.map((row) => [
    liveRowName(row),
    `${row.played - row.failed}${row.failed > 0 ? ` (${row.failed} failed)` : ''}`,
    p50(row.measured.handshakeMs),
    p50(row.handshakeSavedMs?.measured),
    p50(row.handshakeSavedMs?.modelled),
    fixedMs(row.handshakeSavedMs?.programsMs),
    p50(row.handshakeSavedMs?.unexplainedMs),
    row.agrees === null ? '-' : row.agrees ? 'yes' : 'no',
  ])
  const titles = ['path', 'played', 'handshake measured', 'saved measured', 'modelled', 'programs', 'rest', 'agrees']
  return `<section>
<h2>Measured in the lab, beside the model</h2>
<p>${escapeHtml(liveWords(live))}</p>
${table(titles, rows)}
${explainedWords(live)
  .map((words) => `<p class="note">${escapeHtml(words)}</p>`)
  .join('\n')}
</section>`
}

function p50(of: Distribution | null | undefined): string {
  return of ? of.p50.toFixed(2) : '-'
}
