import {playRounds, type LoadBenchOptions} from './load-bench.js'
import type {BenchCommon, ConnectionsBench} from './load-schema.js'
import {MachineLoad} from './machine-load.js'
import {Trials} from './trials.js'

export interface ConnectionsBenchOptions extends LoadBenchOptions {
  /** Of each relay, for each case. */
  processes: readonly number[]
  /** Connections open at a time. */
  clients: number
  /** Of a request and of its answer. */
  bytes: number
  /** That one round of one path lasts. */
  ms: number
}

/**
 * Measures how many connections with one exchange each a path carries in a second: clients in a closed loop, each opening
 * its next connection when its last one has ended. Builds a lab for each number of processes.
 *
 * @throws OverlayError of the lab
 */
export async function benchConnections(options: ConnectionsBenchOptions): Promise<ConnectionsBench> {
  const {clients, bytes, ms} = options
  const machine = new MachineLoad()
  const cases: ConnectionsBench['cases'] = []
  const parts: BenchCommon[] = []
  for (const processes of options.processes) {
    const trials = new Trials()
    const playCase = playRounds(
      options,
      {processes, connections: clients},
      (play) =>
        play(trials, `${processes} ${processes === 1 ? 'process' : 'processes'}`, (target) => ({
          do: 'exchange',
          ...target,
          connections: clients,
          inFlight: clients,
          fresh: true,
          bytes,
          ms,
        })),
      machine,
    )
    parts.push(await playCase)
    cases.push({
      processes,
      loadShare: trials.loadShare,
      paths: trials.results({
        connectionsPerSecond: ({outcome}) => (outcome.done === 0 ? null : (outcome.done * 1000) / outcome.ms),
        cpuMsPerConnection: ({outcome, relaySeconds}) =>
          outcome.done === 0 || relaySeconds === null ? null : (relaySeconds * 1000) / outcome.done,
      }),
    })
  }

  const skipped = parts.flatMap((part) => part.skipped)
  return {
    bench: 'connections',
    ...parts[0],
    machine: machine.shares(),
    skipped: skipped.filter(({name}, index) => skipped.findIndex((each) => each.name === name) === index),
    ms,
    clients,
    bytes,
    cases,
  }
}
