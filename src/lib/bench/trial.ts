import type {Lab} from '../lab/lab.js'
import {processesIn} from '../lab/processes.js'
import type {LoadOrder, LoadOutcome} from './load/orders.js'
import {machineTime, type MachineLoad} from './machine-load.js'
import type {MeasuringClient} from './measuring-client.js'
import {cpuSeconds} from './process-cost.js'

export type LoadClient = MeasuringClient<LoadOrder, LoadOutcome>

/** What one order did over one path. */
export interface Trial {
  outcome: LoadOutcome
  /** Processor time of the relays' processes, s; null on the direct path. */
  relaySeconds: number | null
  /** Share of one processor that the busier of client and origin used, 0 to 1; 0 on the direct path, which has only them. */
  loadShare: number
}

/** Who takes part in a trial. */
export interface Parties {
  client: LoadClient
  originPid: number
  /** Processes of the relays, both ends; none on the direct path. */
  relays: readonly number[]
  /** All labs that are up: what runs in them is of the bench. */
  labs: readonly Lab[]
}

/**
 * Carries out an order and counts what the processes took for it.
 *
 * @param machine gathers what the machine does besides
 */
export async function playTrial(
  order: LoadOrder,
  {client, originPid, relays, labs}: Parties,
  machine: MachineLoad,
): Promise<Trial> {
  const namespaces = labs.flatMap(({hosts, state}) => [state.wire, ...hosts.map(({namespace}) => namespace)])
  const everybody = [...processesIn(namespaces).map(({pid}) => pid), process.pid]
  const before = machineTime()
  const spent = clockOf(everybody)
  const relay = clockOf(relays)
  const loaders = [originPid, client.pid].map((pid) => clockOf([pid]))
  const outcome = await client.carryOut(order)
  const relaySeconds = relays.length === 0 ? null : relay()
  machine.add(before, machineTime(), spent())
  const loadShare =
    outcome.ms === 0 || relays.length === 0 ? 0 : Math.max(...loaders.map((seconds) => seconds())) / (outcome.ms / 1000)
  return {outcome, relaySeconds, loadShare}
}

/** @returns what these processes have used since now, s */
function clockOf(pids: readonly number[]): () => number {
  const before = cpuSeconds(pids)
  return () => cpuSeconds(pids) - before
}
