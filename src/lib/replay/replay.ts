import {OverlayError} from '../errors/index.js'
import {analyse} from './analysis/analyse.js'
import type {Analysis} from './connection.js'
import {runLive, type LiveOptions} from './live/run.js'
import type {ModelParameters} from './model/parameters.js'
import {csvOf} from './report/csv.js'
import {htmlReport} from './report/html.js'
import {replayResult} from './report/result.js'
import type {ReplayResult} from './report/schema.js'
import {writeReport} from './report/write-report.js'

export interface ReplayOptions {
  parameters: ModelParameters
  /** Null: the model alone. */
  live: Omit<LiveOptions, 'parameters' | 'progress'> | null
  /** Files that are written besides; undefined for none. */
  csv?: string
  html?: string
  /** Of the waterfall in the page; null for one in the middle. */
  connectionId: number | null
  /** What the files are called in results instead of their paths. */
  names?: readonly string[]
  progress?: (what: string) => void
}

/**
 * What the overlay would have saved on captured traffic, and, live, what it does save.
 *
 * @param files paths, or `-` for standard input
 * @throws OverlayError of the analysis and of the labs; USAGE for a report that cannot be written or a connection that is
 *   not there
 */
export async function replay(
  files: readonly string[],
  options: ReplayOptions,
): Promise<{result: ReplayResult; analysis: Analysis}> {
  const {parameters, live, csv, html, connectionId, progress = () => {}} = options
  const analysis = await analyse(files, {
    payloads: live !== null,
    names: options.names,
    onProgress: (taken, packets) => progress(`${Math.round(taken / 1e6)} MB, ${packets} packets`),
  })
  const {connections, sources} = analysis
  if (connectionId !== null && connectionId > connections.length) {
    throw new OverlayError(
      'USAGE',
      `--connection ${connectionId}: the capture has connections 1 to ${connections.length}`,
    )
  }

  const measured = live === null ? null : await runLive(connections, {...live, parameters, progress})
  progress('modelling')
  const result = replayResult(analysis, parameters, measured)
  if (csv !== undefined) {
    const names = sources.map(({source}) => source)
    writeReport('--csv', csv, csvOf(connections, parameters, names))
  }

  if (html !== undefined) writeReport('--html', html, [htmlReport(result, connections, {parameters, connectionId})])
  return {result, analysis}
}
