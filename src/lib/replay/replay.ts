import {checkReadable} from '../capture/byte-source.js'
import {OverlayError} from '../errors/index.js'
import {analyse, readPayloads} from './analysis/analyse.js'
import type {Analysis, AnalysisOptions} from './connection.js'
import {rereadable} from './live/rereadable.js'
import type {LiveOptions} from './live/run.js'
import type {LiveResult} from './live/schema.js'
import type {ModelParameters} from './model/parameters.js'
import {csvOf} from './report/csv.js'
import {replayResult} from './report/result.js'
import type {ReplayResult} from './report/schema.js'
import {writeReport} from './report/write-report.js'
import {ScratchSpace} from './spill/scratch-space.js'

export interface ReplayOptions {
  parameters: ModelParameters
  /** Null: the model alone. */
  live: Omit<LiveOptions, 'parameters' | 'payloads' | 'progress'> | null
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
  checkReadable(files)
  const scratch = new ScratchSpace()
  const reading: AnalysisOptions = {
    names: options.names ?? files,
    scratch,
    onProgress: (taken, packets) => progress(`${Math.round(taken / 1e6)} MB, ${packets} packets`),
  }
  const paths: string[] = []
  for (const file of files)
    paths.push(
      live === null
        ? file
        : await rereadable(file, scratch, (bytes) => progress(`${Math.round(bytes / 1e6)} MB of ${file}`)),
    )
  const analysis = await analyse(paths, reading)
  const {connections, sources} = analysis
  if (connectionId !== null && connectionId > connections.length) {
    throw new OverlayError(
      'USAGE',
      `--connection ${connectionId}: the capture has connections 1 to ${connections.length}`,
    )
  }

  let measured: LiveResult | null = null
  if (live !== null) {
    const {runLive} = await import('./live/run.js')
    const payloads = async (ids: number[]): ReturnType<typeof readPayloads> => readPayloads(paths, ids, reading)
    measured = await runLive(connections, {...live, parameters, progress, payloads})
  }

  progress('modelling')
  const result = replayResult(analysis, parameters, measured)
  if (csv !== undefined) {
    const names = sources.map(({source}) => source)
    writeReport('--csv', csv, csvOf(connections, parameters, names))
  }

  if (html !== undefined) {
    // What draws takes a quarter of the command's memory and time, so it is loaded where it is wanted; labs above likewise.
    const {htmlReport} = await import('./report/html.js')
    writeReport('--html', html, [htmlReport(result, connections, {parameters, connectionId})])
  }

  return {result, analysis}
}
