import type {Endpoint} from '../wire/endpoint.js'
import {Contest, bridged, type Contestant} from './contest.js'
import type {LoadContenderOptions} from './load-contenders.js'
import type {BenchCommon, LoadPath} from './load-schema.js'
import type {LoadOrder} from './load/orders.js'
import {MachineLoad} from './machine-load.js'
import {rotate} from './rotate.js'
import type {Trials} from './trials.js'

/** Until V8 has compiled what a connection runs through, at some thousand exchanges a second. */
const WARM_UP_MS = 1500

/** What all load benches are told. */
export interface LoadBenchOptions {
  paths: readonly LoadPath[]
  /** How often every path is measured, in turns. */
  rounds: number
  /** For every socket of every host. */
  congestionControl: string
  /** How long exchanges run over each path before the first round, at least; 1500 when not given. */
  warmUpMs?: number
  /** Told what is going on, for people. */
  progress?: (what: string) => void
}

/** Measures one case over every path, in this round's order. */
export type PlayCase = (trials: Trials, what: string, order: (target: Endpoint) => LoadOrder) => Promise<void>

/**
 * Builds a lab, starts every path's servers, plays all cases once that do not count and then in each round, and removes the
 * lab.
 *
 * @param machine gathers what the machine does besides, when several calls make one bench
 * @returns what is the same in the results of all load benches
 * @throws OverlayError of the lab
 */
export async function playRounds(
  {paths, rounds, congestionControl, warmUpMs = WARM_UP_MS, progress = () => {}}: LoadBenchOptions,
  contenders: LoadContenderOptions,
  playCases: (play: PlayCase) => Promise<void>,
  machine = new MachineLoad(),
): Promise<BenchCommon> {
  progress('building the lab')
  const contest = await Contest.open(bridged(congestionControl), machine)
  try {
    const contestants: Contestant[] = []
    for (const name of paths) {
      progress(`starting ${name}`)
      const contestant = await contest.enter(name, contenders)
      if (contestant) contestants.push(contestant)
    }

    progress('warming up')
    await playCases(async (_trials, _what, order) => {
      for (const contestant of contestants) await contest.warm(order(contestant.target), warmUpMs)
    })
    for (let turn = 0; turn < rounds; turn++) {
      await playCases(async (trials, what, order) => {
        for (const contestant of rotate(contestants, turn)) {
          progress(`round ${turn + 1} of ${rounds}: ${what}, ${contestant.name}`)
          trials.add(contestant.name, await contest.play(contestant, order(contestant.target)))
        }
      })
    }

    return {links: 'bridge', congestionControl, rounds, skipped: contest.skipped, machine: machine.shares()}
  } finally {
    progress('removing the lab')
    await contest.close()
  }
}
