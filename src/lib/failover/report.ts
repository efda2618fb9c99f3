import {percentiles} from '../bench/percentiles.js'
import {textTable} from '../cli/table.js'
import {PAUSE_WITHIN_MS, type Gaps, type RunResult} from './verdict.js'

/** What `failover run` prints: one run's result, or that of several with each of them inside. */
export interface ScenarioReport extends RunResult {
  runs?: RunResult[]
}

/** Several runs as one: the worst verdict, sums, and the gaps over all of them. */
export function reportOf(results: readonly RunResult[]): ScenarioReport {
  if (results.length === 1) return results[0]
  const sum = (of: (result: RunResult) => number): number => results.reduce((total, each) => total + of(each), 0)
  const gapsMs = results.flatMap((result) => result.gapsMs)
  const pausesMs = results.flatMap((result) => result.pausesMs)
  const verdicts = new Set(results.map(({verdict}) => verdict))
  return {
    scenario: results[0].scenario,
    seed: results[0].seed,
    startedAt: results[0].startedAt,
    verdict: verdicts.has('fail') ? 'fail' : verdicts.has('inconclusive') ? 'inconclusive' : 'pass',
    flows: {
      started: sum(({flows}) => flows.started),
      completed: sum(({flows}) => flows.completed),
      reset: sum(({flows}) => flows.reset),
      corrupted: sum(({flows}) => flows.corrupted),
      timedOut: sum(({flows}) => flows.timedOut),
    },
    errors: Object.assign({}, ...results.map(({errors}) => errors)) as Record<string, number>,
    bytesLost: sum(({bytesLost}) => bytesLost),
    bytesDuplicated: sum(({bytesDuplicated}) => bytesDuplicated),
    gapMs: over(gapsMs),
    usualGapMs: medians(results.map(({usualGapMs}) => usualGapMs)),
    pauseMs: over(pausesMs),
    usualPauseMs: medians(results.map(({usualPauseMs}) => usualPauseMs)),
    gapsMs: [],
    pausesMs: [],
    faults: results.flatMap(({faults}) => faults),
    checks: results.flatMap(({checks}) => checks.filter(({pass}) => !pass)),
    runs: [...results],
  }
}

/** Of those that there are. */
const median = (values: readonly (number | null)[]): number | null =>
  percentiles(values.filter((value) => value !== null))?.p50 ?? null

const medians = (each: readonly Gaps[]): Gaps => ({
  p50: median(each.map(({p50}) => p50)),
  p99: median(each.map(({p99}) => p99)),
  max: median(each.map(({max}) => max)),
})

function over(values: readonly number[]): Gaps {
  const of = percentiles(values)
  return {p50: of?.p50 ?? null, p99: of?.p99 ?? null, max: of === null ? null : Math.max(...values)}
}

const gaps = ({p50, p99, max}: Gaps): string => `${gap(p50)}/${gap(p99)}/${gap(max)}`
const gap = (value: number | null): string => (value === null ? '-' : `${Math.round(value)}`)

export function renderReport(report: ScenarioReport): string {
  const {
    scenario,
    seed,
    verdict,
    flows,
    bytesLost,
    bytesDuplicated,
    gapMs,
    usualGapMs,
    pauseMs,
    usualPauseMs,
    faults,
    checks,
    runs,
  } = report
  const lines = [
    `${scenario}: ${verdict.toUpperCase()}, seed ${seed}${runs ? `, ${runs.length} runs` : ''}`,
    `connections: ${flows.started} started, ${flows.completed} completed, ${flows.reset} reset, ${flows.corrupted} corrupted, ${flows.timedOut} did not end`,
    `bytes: ${bytesLost} lost, ${bytesDuplicated} duplicated`,
    `of connections open at a fault, ms p50/p99/max, and the same without a fault${runs ? ' (medians of the runs)' : ''}:`,
    `  gap, from the fault to the next byte: ${gaps(gapMs)}, without ${gaps(usualGapMs)}`,
    `  longest wait that began by ${PAUSE_WITHIN_MS} ms after it: ${gaps(pauseMs)}, without ${gaps(usualPauseMs)}`,
  ]
  if (!runs) {
    lines.push(
      '',
      textTable(
        [
          {title: 'at ms', align: 'right'},
          {title: 'fault'},
          {title: 'target'},
          {title: 'fired'},
          {title: 'open', align: 'right'},
        ],
        faults.map(({at, kind, target, fired, flowsOpen}) => [at, kind, target, fired ? 'yes' : 'no', flowsOpen]),
      ),
    )
  }

  if (checks.length > 0) {
    lines.push(
      '',
      textTable(
        [{title: 'check'}, {title: 'expected'}, {title: 'actual'}, {title: ''}],
        checks.map(({name, expected, actual, pass}) => [name, expected, actual, pass ? 'pass' : 'FAIL']),
      ),
    )
  }

  return lines.join('\n')
}
