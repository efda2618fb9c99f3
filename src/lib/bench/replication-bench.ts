import {MachineLoad} from './machine-load.js'
import {percentiles, round} from './percentiles.js'
import {median} from './ratio.js'
import {
  REPLICATION_PATHS,
  REPLICATION_REFERENCES,
  type ReplicationBench,
  type ReplicationPath,
} from './replication-schema.js'
import {ReplicationSide, type ReplicationTrial} from './replication-side.js'
import {rotate} from './rotate.js'
import {Trials} from './trials.js'

export interface ReplicationBenchOptions {
  directions: readonly ('down' | 'up')[]
  /** At a time, for each case. */
  streams: readonly number[]
  /** That one transfer lasts. */
  ms: number
  /** How often both are measured, in turns. */
  rounds: number
  /** For every socket of every host. */
  congestionControl: string
  /** Told what is going on, for people. */
  progress?: (what: string) => void
}

/** What an acknowledgement may wait for a backup: so many round trips of the link, and so many ms. */
const GOAL_ROUND_TRIPS = 1.5
const GOAL_MS = 0.3

/**
 * Measures an edge with a backup beside one without, in two labs of bridges that stand side by side, in turns: how many
 * bytes pass, what they cost, and how long acknowledgements wait. Builds the labs and removes them.
 *
 * @throws OverlayError of the labs
 */
export async function benchReplication(options: ReplicationBenchOptions): Promise<ReplicationBench> {
  const {directions, streams, ms, rounds, congestionControl, progress = () => {}} = options
  const cases = streams.flatMap((count) =>
    directions.map((direction) => ({
      direction,
      streams: count,
      trials: new Trials<ReplicationTrial, ReplicationPath, 'alone'>(REPLICATION_REFERENCES),
    })),
  )
  const machine = new MachineLoad()
  const sides: ReplicationSide[] = []
  const acks = new Acks()
  try {
    for (const name of REPLICATION_PATHS) {
      progress(`building the lab, edge ${name === 'pair' ? 'with a backup' : 'alone'}`)
      sides.push(await ReplicationSide.open(name, congestionControl))
    }

    progress('warming up')
    for (const {direction, streams: count} of cases) {
      for (const side of sides) await side.play({do: 'bulk', direction, streams: count, ms}, new MachineLoad(), sides)
    }

    for (let turn = 0; turn < rounds; turn++) {
      for (const {direction, streams: count, trials} of cases) {
        for (const side of rotate(sides, turn)) {
          const what = `${count} ${count === 1 ? 'stream' : 'streams'} ${direction}`
          progress(`round ${turn + 1} of ${rounds}: ${what}, ${side.name}`)
          trials.add(side.name, await side.play({do: 'bulk', direction, streams: count, ms}, machine, sides))
        }
      }

      progress(`round ${turn + 1} of ${rounds}: acknowledgements`)
      for (const side of rotate(sides, turn)) acks.add(side.name, await side.ackDelays())
      acks.link.push(...(await sides.at(-1)!.linkRoundTrips()))
    }

    return {
      bench: 'replication',
      links: 'bridge',
      congestionControl,
      rounds,
      ms,
      machine: machine.shares(),
      cases: cases.map(({trials, ...parameters}) => ({
        ...parameters,
        loadShare: trials.loadShare,
        paths: trials.results({
          // A stream that failed has taken no part for an unknown time.
          gbitPerSecond: ({outcome}) => (outcome.failed > 0 ? null : (outcome.bytes * 8) / outcome.ms / 1e6),
          cpuSecondsPerGb: ({outcome, relaySeconds}) =>
            outcome.failed > 0 || relaySeconds === null ? null : relaySeconds / (outcome.bytes / 1e9),
          replicatedPerByte: ({outcome, replicatedBytes}) =>
            outcome.failed > 0 || replicatedBytes === null ? null : replicatedBytes / outcome.bytes,
        }),
      })),
      ack: acks.result(),
      journalHighestBytes: await sides.at(-1)!.journalHighestBytes(),
    }
  } finally {
    progress('removing the labs')
    for (const side of sides.reverse()) await side.close()
  }
}

/** Acknowledgement delays of all rounds. */
class Acks {
  readonly link: number[] = []
  readonly #delays: Record<ReplicationPath, number[][]> = {alone: [], pair: []}

  add(name: ReplicationPath, delays: number[]): void {
    this.#delays[name].push(delays)
  }

  result(): ReplicationBench['ack'] {
    const {alone, pair} = this.#delays
    const added = pair.flatMap((delays, index) => {
      const [own, base] = [percentiles(delays), percentiles(alone[index])]
      return own === null || base === null ? [] : [own.p50 - base.p50]
    })
    const linkRttMs = percentiles(this.link)
    return {
      aloneMs: percentiles(alone.flat()),
      pairMs: percentiles(pair.flat()),
      addedMs: median(added),
      linkRttMs,
      goalMs: linkRttMs === null ? null : round(GOAL_ROUND_TRIPS * linkRttMs.p50 + GOAL_MS),
    }
  }
}
