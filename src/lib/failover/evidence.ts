import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {OverlayError} from '../errors/index.js'
import type {LoadReports} from './load.js'
import type {OwnerWatch} from './owner-watch.js'
import type {RunResult} from './verdict.js'

/** What there is to look at after a run that did not pass. */
export interface Evidence {
  result: RunResult
  reports: LoadReports
  watches: readonly OwnerWatch[]
  /** What the members have logged. */
  log: string
}

/**
 * Writes it to `DIRECTORY/NAME-SEED/`: `result.json`, `connections.jsonl` (one line for each end of each connection),
 * `members.log`, and captures of the pairs' virtual addresses on the side of client or origin and, with one pair, on the
 * middle leg (headers only).
 *
 * @throws OverlayError USAGE when the directory cannot be written
 */
export function keepEvidence(directory: string, {result, reports, watches, log}: Evidence): void {
  const place = join(directory, `${result.scenario}-${result.seed}`)
  try {
    mkdirSync(place, {recursive: true})
    writeFileSync(join(place, 'result.json'), JSON.stringify(result, null, 2) + '\n')
    const lines = [
      ...reports.clients.map((report) => JSON.stringify({end: 'client', ...report})),
      ...reports.origins.map((report) => JSON.stringify({end: 'origin', ...report})),
    ]
    writeFileSync(join(place, 'connections.jsonl'), lines.join('\n') + '\n')
    writeFileSync(join(place, 'members.log'), log)
    for (const watch of watches) watch.keep(place)
  } catch (error) {
    throw new OverlayError('USAGE', `nothing can be kept in ${place}`, {cause: (error as NodeJS.ErrnoException).code})
  }
}
