import {readCapture, type CaptureProblem} from '../../capture/capture-reader.js'
import {checkReadable} from '../../capture/byte-source.js'
import type {Analysis, AnalysisOptions, SourceSummary} from '../connection.js'
import {TcpTracker} from './tcp-tracker.js'

/** What is kept of each direction of a connection when payloads are asked for. */
export const DEFAULT_PAYLOAD_BYTES = 1 << 20

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
  const tracker = new TcpTracker({
    payloadBytes: options.payloads ? (options.payloadBytes ?? DEFAULT_PAYLOAD_BYTES) : 0,
    ageSegments: options.ageSegments ?? AGE_SEGMENTS,
    seed: Math.floor(Math.random() * 2 ** 31),
  })
  const summaries: SourceSummary[] = []
  const problems: CaptureProblem[] = []
  let takenBefore = 0
  let packetsBefore = 0
  for (const [index, path] of sources.entries()) {
    const source = options.names?.[index] ?? path
    if (options.signal?.aborted) break
    let takenNow = 0
    const read = await readCapture(path, tracker, {
      signal: options.signal,
      onProgress(taken, packets) {
        takenNow = taken
        options.onProgress?.(takenBefore + taken, packetsBefore + packets)
      },
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
  }
}
