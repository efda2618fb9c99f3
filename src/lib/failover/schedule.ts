import type {SeededRandom} from './random.js'
import type {Scenario} from './scenario.js'

type Step = Scenario['steps'][number]

/** A step and its moment, ms: since the load began, or since the step before it was over. */
export type Due = ({readonly at: number} | {readonly after: number}) & {readonly step: Step}

/**
 * The steps of a scenario in the order in which they come: by time, and one that follows another behind it. Pure.
 *
 * @param random chooses the moments that the scenario leaves open
 */
export function schedule(steps: readonly Step[], random: SeededRandom): Due[] {
  const chains: {at: number; dues: Due[]}[] = []
  for (const step of steps) {
    const moment = step.at ?? step.after!
    const chosen = random.between(...moment)
    const last = chains.at(-1)
    if (step.at !== undefined || last === undefined) chains.push({at: chosen, dues: [{step, at: chosen}]})
    else last.dues.push({step, after: chosen})
  }

  return chains.sort((one, other) => one.at - other.at).flatMap(({dues}) => dues)
}
