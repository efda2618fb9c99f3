import {playRounds, type LoadBenchOptions} from './load-bench.js'
import type {LatencyBench} from './load-schema.js'
import {Trials} from './trials.js'

export interface LatencyBenchOptions extends LoadBenchOptions {
  processes: number
  /** Kept open. */
  connections: number
  /** Exchanges under way at a time, for each case. */
  inFlight: readonly number[]
  /** Of a request and of its answer. */
  bytes: number
  /** That one round of one path lasts. */
  ms: number
}

/**
 * Measures how long a small exchange takes over connections that are kept, in turns. Builds a lab and removes it.
 *
 * @throws OverlayError of the lab
 */
export async function benchLatency(options: LatencyBenchOptions): Promise<LatencyBench> {
  const {processes, connections, bytes, ms} = options
  const cases = options.inFlight.map((inFlight) => ({inFlight, trials: new Trials()}))
  const common = await playRounds(options, {processes, connections}, async (play) => {
    for (const {inFlight, trials} of cases) {
      await play(trials, `${inFlight} under way`, (target) => ({
        do: 'exchange',
        ...target,
        connections,
        inFlight,
        fresh: false,
        bytes,
        ms,
      }))
    }
  })
  return {
    bench: 'latency',
    ...common,
    processes,
    connections,
    bytes,
    ms,
    cases: cases.map(({inFlight, trials}) => ({
      inFlight,
      loadShare: trials.loadShare,
      paths: trials.results({
        p50Ms: ({outcome}) => outcome.exchangeMs?.p50 ?? null,
        p99Ms: ({outcome}) => outcome.exchangeMs?.p99 ?? null,
        cpuMsPerExchange: ({outcome, relaySeconds}) =>
          outcome.done === 0 || relaySeconds === null ? null : (relaySeconds * 1000) / outcome.done,
      }),
    })),
  }
}
