import {setTimeout as sleep} from 'node:timers/promises'

import {Contest, bridged, type Contestant, type Trial} from './contest.js'
import type {LoadBenchOptions} from './load-bench.js'
import type {LoadPath, MemoryBench} from './load-schema.js'
import {MachineLoad} from './machine-load.js'
import {pssKib} from './process-cost.js'
import {rotate} from './rotate.js'
import {Trials} from './trials.js'

export interface MemoryBenchOptions extends LoadBenchOptions {
  processes: number
  /** Idle ones that are counted, for each case. */
  connections: readonly number[]
}

/** Open before the first reading, so that what a relay allocates once, and for the first connections, is not counted. */
const FIRST_CONNECTIONS = 200
const OPENING_MS = 30_000
/** From the last connection to the reading: relays tidy up. */
const SETTLE_MS = 300

/**
 * Measures how much memory the processes of a relay take for each idle connection, each of which has had one exchange. A
 * relay keeps what it once allocated, so its servers are started anew for each reading. Builds a lab and removes it.
 *
 * @throws OverlayError of the lab
 */
export async function benchMemory(options: MemoryBenchOptions): Promise<MemoryBench> {
  const {paths, rounds, congestionControl, processes, progress = () => {}} = options
  const cases = options.connections.map((connections) => ({connections, trials: new Trials<MemoryTrial>()}))
  const machine = new MachineLoad()
  progress('building the lab')
  const contest = await Contest.open(bridged(congestionControl), machine)
  const out = new Set<LoadPath>()
  try {
    for (let turn = 0; turn < rounds; turn++) {
      for (const {connections, trials} of cases) {
        for (const name of rotate(paths, turn)) {
          if (out.has(name)) continue
          progress(`round ${turn + 1} of ${rounds}: ${connections} connections, ${name}`)
          const contestant = await contest.enter(name, {processes, connections: FIRST_CONNECTIONS + connections})
          if (contestant === null) out.add(name)
          else trials.add(name, await measure(contest, contestant, connections))
        }
      }
    }

    return {
      bench: 'memory',
      links: 'bridge',
      congestionControl,
      rounds,
      skipped: contest.skipped,
      machine: machine.shares(),
      processes,
      cases: cases.map(({connections, trials}) => ({
        connections,
        loadShare: trials.loadShare,
        paths: trials.results({kibPerConnection: ({kib}) => (kib === null ? null : kib / connections)}),
      })),
    }
  } finally {
    progress('removing the lab')
    await contest.close()
  }
}

interface MemoryTrial extends Trial {
  /** What the relays' processes grew by; null when not all connections could be held. */
  kib: number | null
}

async function measure(contest: Contest, contestant: Contestant, connections: number): Promise<MemoryTrial> {
  const {target, processes} = contestant
  const hold = {do: 'hold' as const, ...target, ms: OPENING_MS}
  try {
    await contest.play(contestant, {...hold, connections: FIRST_CONNECTIONS})
    await sleep(SETTLE_MS)
    const before = pssKib(processes)
    const trial = await contest.play(contestant, {...hold, connections})
    await sleep(SETTLE_MS)
    const after = pssKib(processes)
    const released = await contest.play(contestant, {do: 'release'})
    const whole = released.outcome.done === FIRST_CONNECTIONS + connections
    return {...trial, kib: whole ? after - before : null}
  } finally {
    await contest.leave(contestant)
  }
}
