import type {Trial} from './contest.js'
import {REFERENCES, type Figure, type LoadPath, type Reference} from './load-schema.js'
import {round} from './percentiles.js'
import {median, ratio} from './ratio.js'

const MESSAGES = 10

/** Takes one quantity out of a trial; null where it has none. */
export type Quantity<Of = Trial> = (trial: Of) => number | null

/** Trials of one case, of every path, one a round; paired by their place. */
export class Trials<
  Of extends Pick<Trial, 'loadShare' | 'outcome'> = Trial,
  Name extends string = LoadPath,
  To extends Name & string = Name & Reference,
> {
  readonly #paths = new Map<Name, Of[]>()

  /** @param references paths that ratios are to */
  constructor(private readonly references: readonly To[] = REFERENCES as readonly string[] as readonly To[]) {}

  add(name: Name, trial: Of): void {
    const trials = this.#paths.get(name)
    if (trials) trials.push(trial)
    else this.#paths.set(name, [trial])
  }

  get loadShare(): number {
    return round(Math.max(0, ...[...this.#paths.values()].flat().map(({loadShare}) => loadShare)))
  }

  /**
   * The results of all paths, in the order in which they were added.
   *
   * @param quantities by the names that the figures get
   */
  results<Key extends string>(quantities: Record<Key, Quantity<Of>>) {
    return [...this.#paths].map(([name, trials]) => {
      const messages = new Set(trials.flatMap(({outcome}) => outcome.messages))
      const figures = Object.entries(quantities).map(([key, of]) => [key, this.#figure(name, of as Quantity<Of>)])
      return {
        name,
        failed: trials.reduce((sum, {outcome}) => sum + outcome.failed, 0),
        messages: [...messages].slice(0, MESSAGES),
        ...(Object.fromEntries(figures) as Record<Key, Figure<To>>),
      }
    })
  }

  #figure(name: Name, of: Quantity<Of>): Figure<To> {
    const rounds = this.#rounds(name, of)
    const whole = median(rounds.filter((value) => value !== null))
    if (whole === null) return null
    const ratios = this.references.flatMap((to) => {
      const between = (to as string) === name ? null : ratio(rounds, this.#rounds(to, of))
      return between === null ? [] : [{to, ...between}]
    })
    return {...whole, rounds, ratios}
  }

  #rounds(name: Name, of: Quantity<Of>): (number | null)[] {
    return (this.#paths.get(name) ?? []).map((trial) => {
      const value = of(trial)
      return value === null ? null : significant(value)
    })
  }
}

/** To six significant digits: a CPU time of one exchange is some µs, a rate some thousands. */
function significant(value: number): number {
  return Number(value.toPrecision(6))
}
