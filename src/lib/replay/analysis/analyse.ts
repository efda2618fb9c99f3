import {readCapture, type CaptureProblem} from '../../capture/capture-reader.js'
import {checkReadable} from '../../capture/byte-source.js'
import {OverlayError} from '../../errors/index.js'
import type {Analysis, AnalysisOptions, ReplayConnection, SourceSummary} from '../connection.js'
import {ScratchSpace} from '../spill/scratch-space.js'
import {StreamKeeper} from './stream-keeper.js'
import {TcpTracker} from './tcp-tracker.js'

/** Of an age after which silent connections are put away: some 25 MB of full packets. */
const AGE_SEGMENTS = 16_384

/**
 * Reads captures one after the other, as if they were one, and finds every TCP connection in them.
 *
 * @param sources paths, or `-` for standard input
 * @returns what could be found, also of damaged captures: see `problems`
 * @throws OverlayError NOT_FOUND when one cannot be opened; INPUT_INVALID when one is no capture
 */
export async function analyse(sources: readonly string[], options: AnalysisOptions = {}): Promise<Analysis> {
  checkReadable(sources)
  const scratch = options.scratch ?? new ScratchSpace()
  const tracker = new TcpTracker({
    streams: options.streams ?? null,
    ageSegments: options.ageSegments ?? AGE_SEGMENTS,
    seed: Math.floor(Math.random() * 2 ** 31),
    scratch,
  })
  const summaries: SourceSummary[] = []
  const problems: CaptureProblem[] = []
  let takenBefore = 0
  let packetsBefore = 0
  for (const [index, path] of sources.entries()) {
    const source = options.names?.[index] ?? path
    if (options.signal?.aborted) break
    let takenNow = 0
    const reading = readCapture(path, tracker, {
      signal: options.signal,
      onProgress(taken, packets) {
        takenNow = taken
        options.onProgress?.(takenBefore + taken, packetsBefore + packets)
      },
    })
    const read = await reading.catch((error: unknown) => {
      throw calledSo(error, path, source)
    })
    takenBefore += takenNow
    packetsBefore += read.packets
    const counts = tracker.endSource()
    problems.push(...read.problems.map((problem) => ({...problem, source})))
    summaries.push({
      source,
      format: read.format,
      linkTypes: counts.linkTypes,
      packets: read.packets,
      bytes: read.bytes,
      tcpPackets: counts.tcpPackets,
      skipped: {...read.skipped, ...counts.skipped},
    })
  }

  const sum = (of: (summary: SourceSummary) => number): number =>
    summaries.reduce((total, summary) => total + of(summary), 0)
  return {
    connections: tracker.results(),
    packets: sum(({packets}) => packets),
    bytes: sum(({bytes}) => bytes),
    tcpPackets: sum(({tcpPackets}) => tcpPackets),
    startNs: tracker.startNs,
    sources: summaries,
    problems,
    scratch,
  }
}

/** Payloads of some connections of captures that have been analysed already. @param sources as they were then */
export async function readPayloads(
  sources: readonly string[],
  ids: readonly number[],
  options: Omit<AnalysisOptions, 'streams'> = {},
): Promise<Map<number, ReplayConnection['payloads']>> {
  const {connections} = await analyse(sources, {...options, streams: new StreamKeeper(ids)})
  return new Map(ids.map((id) => [id, connections.at(id - 1)?.payloads]))
}

/** An error about a source names it as results do. */
function calledSo(error: unknown, path: string, source: string): unknown {
  if (!(error instanceof OverlayError) || path === source) return error
  const {code, message, cause, suggestions} = error
  return new OverlayError(code, message.replaceAll(path, source), {cause, suggestions})
}
