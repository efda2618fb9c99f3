import type {Figure, LoadPath} from './load-schema.js'
import type {MachineShares} from './machine-load.js'
import {spread} from './ratio.js'

/** Beyond these a difference of some percent says nothing. Of all processors' time, and see {@link spread}. */
const STEAL_SHARE = 0.02
const OTHERS_SHARE = 0.05
const PEER_SPREAD = 0.1

/** From here on client or origin may be what sets the pace. */
const LOAD_SHARE = 0.95

/** Of load benches: who is known not to have changed from round to round, the first of them that was measured. */
const PEERS: readonly LoadPath[] = ['haproxy', 'haproxy-splice', 'nginx', 'direct']

/** What of a bench tells whether it could tell anything. */
interface Measured {
  machine: MachineShares
  cases: readonly {loadShare: number; paths: readonly {name: string}[]}[]
}

/**
 * Whether a bench could tell what it was to tell.
 *
 * @param peers whose rounds should be alike, the first that was measured counts
 * @returns what is wrong with it, a sentence each; empty when nothing is
 */
export function noiseOf(bench: Measured, peers: readonly string[] = PEERS): string[] {
  const {stealShare, othersShare} = bench.machine
  const warnings: string[] = []
  if (stealShare > STEAL_SHARE) {
    warnings.push(`the hypervisor took ${percent(stealShare)} of the processors' time while this was measured`)
  }

  if (othersShare > OTHERS_SHARE) {
    warnings.push(`other programs used ${percent(othersShare)} of the processors' time while this was measured`)
  }

  const spreads = bench.cases.flatMap((each) => peerSpread(each.paths, peers) ?? [])
  const [widest] = spreads.sort((a, b) => b.spread - a.spread)
  if (widest && widest.spread > PEER_SPREAD) {
    warnings.push(
      `the middle half of the rounds of ${widest.name} lies ${percent(widest.spread)} apart: smaller differences are chance`,
    )
  }

  const busiest = Math.max(0, ...bench.cases.map(({loadShare}) => loadShare))
  if (busiest >= LOAD_SHARE) {
    warnings.push(`client or origin used ${percent(busiest)} of a processor: they may be what set the pace`)
  }

  return warnings
}

/** The figure that a case is about is the first one of its paths. */
function peerSpread(
  paths: Measured['cases'][number]['paths'],
  peers: readonly string[],
): {name: string; spread: number} | null {
  for (const name of peers) {
    const figure = mainFigure(paths.find((path) => path.name === name))
    const of = figure && spread(figure.rounds.filter((value) => value !== null))
    if (typeof of === 'number') return {name, spread: of}
  }

  return null
}

/** What a path's case is about: its first figure; null without a good round. */
export function mainFigure(path: object | undefined): Figure {
  const figures = Object.values(path ?? {}).filter((value) => value === null || isFigure(value)) as Figure[]
  return figures.at(0) ?? null
}

function isFigure(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'rounds' in value
}

const percent = (share: number): string => `${Math.round(share * 100)} %`
