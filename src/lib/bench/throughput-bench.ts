import {playRounds, type LoadBenchOptions} from './load-bench.js'
import type {ThroughputBench} from './load-schema.js'
import {Trials} from './trials.js'

export interface ThroughputBenchOptions extends LoadBenchOptions {
  directions: readonly ('down' | 'up')[]
  /** At a time, for each case. */
  streams: readonly number[]
  /** That one transfer lasts. */
  ms: number
  processes: number
}

/**
 * Measures how many bytes pass each path in a time, in turns. Builds a lab and removes it.
 *
 * @throws OverlayError of the lab
 */
export async function benchThroughput(options: ThroughputBenchOptions): Promise<ThroughputBench> {
  const {directions, streams, ms, processes} = options
  const cases = streams.flatMap((count) =>
    directions.map((direction) => ({direction, streams: count, trials: new Trials()})),
  )
  const common = await playRounds(
    options,
    {processes, connections: Math.max(...streams), halfClose: true},
    async (play) => {
      for (const {direction, streams: count, trials} of cases) {
        await play(trials, `${count} ${count === 1 ? 'stream' : 'streams'} ${direction}`, (target) => ({
          do: 'bulk',
          ...target,
          direction,
          streams: count,
          ms,
        }))
      }
    },
  )
  return {
    bench: 'throughput',
    ...common,
    ms,
    processes,
    cases: cases.map(({trials, ...parameters}) => ({
      ...parameters,
      loadShare: trials.loadShare,
      paths: trials.results({
        // A stream that failed has taken no part for an unknown time.
        gbitPerSecond: ({outcome}) => (outcome.failed > 0 ? null : (outcome.bytes * 8) / outcome.ms / 1e6),
        cpuSecondsPerGb: ({outcome, relaySeconds}) =>
          outcome.failed > 0 || relaySeconds === null ? null : relaySeconds / (outcome.bytes / 1e9),
      }),
    })),
  }
}
