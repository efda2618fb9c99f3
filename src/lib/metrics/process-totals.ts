import {CATALOGUE, type MetricDefinition} from './catalogue.js'
import type {Sample} from './sample.js'

/** What one relay process said; null when it did not answer. */
export interface ProcessAnswer {
  pid: number
  samples: readonly Sample[] | null
}

/**
 * The samples of all relay processes as one. Counters never fall: of a process that does not answer the last answer
 * counts, and so it does of one that has ended. What it counted between that answer and its end is lost.
 */
export class ProcessTotals {
  /** Counters of processes that run, by pid, as last heard. */
  #running = new Map<number, readonly Sample[]>()
  /** Sums over processes that have ended, by series. */
  readonly #ended = new Map<string, Sample>()

  /** @param answers of all processes that run now */
  add(answers: readonly ProcessAnswer[]): Sample[] {
    const running = new Map<number, readonly Sample[]>()
    for (const {pid, samples} of answers) {
      const counters = samples?.filter((each) => isCounted(each)) ?? this.#running.get(pid)
      if (counters) running.set(pid, counters)
    }

    for (const [pid, counters] of this.#running) {
      if (!running.has(pid)) for (const each of counters) combine(this.#ended, each)
    }

    this.#running = running
    const total = new Map([...this.#ended].map(([key, each]) => [key, {...each}]))
    for (const counters of running.values()) for (const each of counters) combine(total, each)
    for (const {samples} of answers) for (const each of samples ?? []) if (!isCounted(each)) combine(total, each)
    return [...total.values()]
  }
}

function isCounted({metric}: Sample): boolean {
  return CATALOGUE[metric].type !== 'gauge'
}

function combine(into: Map<string, Sample>, each: Sample): void {
  const key = `${each.metric}${each.suffix ?? ''}${JSON.stringify(each.labels)}`
  const before = into.get(key)
  if (before === undefined) {
    into.set(key, {...each})
    return
  }

  const {over}: MetricDefinition = CATALOGUE[each.metric]
  if (over === undefined) before.value += each.value
  else before.value = Math[over](before.value, each.value)
}
