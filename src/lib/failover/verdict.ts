import {percentiles, round} from '../bench/percentiles.js'
import {Content} from './content.js'
import type {FaultReport} from './faults.js'
import type {LoadReports} from './load.js'
import type {Scenario} from './scenario.js'

/** One thing that was to hold. */
export interface Check {
  name: string
  expected: string
  actual: string
  pass: boolean
  /** safety: no wrong byte, no two owners. liveness: everything ends, soon enough. */
  kind: 'liveness' | 'safety'
}

export interface Gaps {
  p50: number | null
  p99: number | null
  max: number | null
}

/** What a run came to (docs/FAILOVER.md). Times in ms. */
export interface RunResult {
  scenario: string
  seed: number
  /** ms since the epoch; faults count from here. */
  startedAt: number
  /** inconclusive: a fault had no effect, or no connection was open when it came. */
  verdict: 'fail' | 'inconclusive' | 'pass'
  flows: {started: number; completed: number; reset: number; corrupted: number; timedOut: number}
  /** Why connections ended that did not end in order: error and how often. */
  errors: Record<string, number>
  bytesLost: number
  bytesDuplicated: number
  /** From a fault to the next byte that moved, in each connection that was open and not idle by order. */
  gapMs: Gaps
  /** The same at moments before the first fault: what the path and this machine make of it anyway. */
  usualGapMs: Gaps
  /** The longest wait of each of these connections that began before the fault or within PAUSE_WITHIN_MS after it. */
  pauseMs: Gaps
  usualPauseMs: Gaps
  /** Each of both, rounded. */
  gapsMs: number[]
  pausesMs: number[]
  faults: (FaultReport & {flowsOpen: number})[]
  checks: Check[]
}

export interface Observations {
  scenario: Scenario
  seed: number
  /** ms since the epoch. */
  startedAt: number
  reports: LoadReports
  faults: readonly FaultReport[]
  /** Takeovers of all pairs, and how often a virtual address changed the host that spoke for it. */
  takeovers: number
  moves: number
  paired: boolean
}

/** Moments before the first fault at which gaps are looked at, ms. */
const USUAL_AT_MS = [-250, -200, -150, -100, -50]

/** What a fault holds up shows later than the fault: what was under way still arrives. ms. */
export const PAUSE_WITHIN_MS = 1000
const USUAL_PAUSE_AT_MS = [-1200]
const USUAL_MARGIN_MS = 200

/** Steps that take something away: what was open then must show that it did not matter. */
const HARMLESS = new Set(['awaitPaired', 'etcdResume', 'heal', 'linkUp', 'restart', 'resume'])

/** Pure: what was seen, judged. */
export function judge(seen: Observations): RunResult {
  const {scenario, reports, startedAt} = seen
  const origins = new Map(reports.origins.map((report) => [report.flow, report]))
  const flows = {started: reports.clients.length, completed: 0, reset: 0, corrupted: 0, timedOut: 0}
  const errors: Record<string, number> = {}
  let bytesLost = 0
  let bytesDuplicated = 0
  for (const client of reports.clients) {
    const group = scenario.load[client.group]
    const origin = origins.get(client.flow)
    const wrong = client.wrongAt >= 0 || (origin?.wrongAt ?? -1) >= 0
    if (client.error !== null) errors[client.error] = (errors[client.error] ?? 0) + 1
    if (client.error === 'TIMEOUT') flows.timedOut++
    else if (client.error !== null) flows.reset++
    const ended = client.error === null
    if (wrong || (ended && !sameBytes(client.flow, client.sha256, client.received, origin, group))) flows.corrupted++
    if (!ended) continue
    const received = origin?.received ?? 0
    bytesLost += Math.max(0, group.down - client.received) + Math.max(0, group.up - received)
    bytesDuplicated += Math.max(0, client.received - group.down) + Math.max(0, received - group.up)
    if (!wrong && client.received === group.down && received === group.up) flows.completed++
  }

  const faults = seen.faults.map((fault) => ({...fault, flowsOpen: openAt(reports, startedAt + fault.at)}))
  const harmful = faults.filter(({kind}) => !HARMLESS.has(kind))
  const gaps = harmful.flatMap(({at}) => gapsAt(reports, startedAt + at))
  const gapMs = summary(gaps)
  const firstAt = startedAt + (harmful[0]?.at ?? 0)
  const usualGapMs = summary(USUAL_AT_MS.flatMap((before) => gapsAt(reports, firstAt + before)))
  const pauses = harmful.flatMap(({at}) => pausesAt(reports, startedAt + at, startedAt + at + PAUSE_WITHIN_MS))
  const pauseMs = summary(pauses)
  const usualPauseMs = summary(
    USUAL_PAUSE_AT_MS.flatMap((before) => pausesAt(reports, firstAt + before, firstAt - USUAL_MARGIN_MS)),
  )
  const checks = checksOf(seen, flows, bytesLost, bytesDuplicated, gapMs, pauseMs)
  const conclusive = faults.every(({fired}) => fired) && harmful.every(({flowsOpen}) => flowsOpen > 0)
  const failed = checks.some(({pass}) => !pass)
  return {
    scenario: scenario.name,
    seed: seen.seed,
    startedAt,
    verdict: failed ? 'fail' : conclusive && flows.started > 0 ? 'pass' : 'inconclusive',
    flows,
    errors,
    bytesLost,
    bytesDuplicated,
    gapMs,
    usualGapMs,
    pauseMs,
    usualPauseMs,
    pausesMs: pauses.map((pause) => Math.round(pause)),
    gapsMs: gaps.map((gap) => Math.round(gap)),
    faults,
    checks,
  }
}

function summary(gaps: readonly number[]): Gaps {
  const of = percentiles(gaps)
  return {p50: of?.p50 ?? null, p99: of?.p99 ?? null, max: of === null ? null : round(Math.max(...gaps))}
}

function sameBytes(
  flow: number,
  sha256: string,
  received: number,
  origin: LoadReports['origins'][number] | undefined,
  {up, down}: Scenario['load'][number],
): boolean {
  // Short ones are lost bytes, and counted as such.
  const downGood = received !== down || sha256 === new Content(flow, 1).digest(down)
  return downGood && (origin?.received !== up || origin.sha256 === new Content(flow, 0).digest(up))
}

/** How long each connection that was open had to wait for its next byte. */
function gapsAt({clients}: LoadReports, at: number): number[] {
  return clients
    .filter(({startedAt, endedAt}) => startedAt < at && endedAt > at)
    .map(({gaps}) => {
      const gap = gaps.find(([from, to]) => from <= at && to > at)
      return gap === undefined ? 0 : gap[1] - at
    })
}

/** The longest wait of each connection that was open, among those that end after `at` and begin before `until`. */
function pausesAt({clients}: LoadReports, at: number, until: number): number[] {
  return clients
    .filter(({startedAt, endedAt}) => startedAt < at && endedAt > at)
    .map(({gaps}) =>
      Math.max(0, ...gaps.filter(([from, to]) => to > at && from < until).map(([from, to]) => to - from)),
    )
}

function openAt({clients}: LoadReports, at: number): number {
  return clients.filter(({startedAt, endedAt}) => startedAt < at && endedAt > at).length
}

function checksOf(
  seen: Observations,
  flows: RunResult['flows'],
  bytesLost: number,
  bytesDuplicated: number,
  gapMs: Gaps,
  pauseMs: Gaps,
): Check[] {
  const {expect} = seen.scenario
  const checks: Check[] = []
  const check = (kind: Check['kind'], name: string, expected: string, actual: string, pass: boolean): void => {
    checks.push({name, expected, actual, pass, kind})
  }

  const atMost = (kind: Check['kind'], name: string, limit: number | undefined, actual: number | null): void => {
    if (limit === undefined) return
    check(kind, name, `at most ${limit}`, actual === null ? 'none' : `${actual}`, actual !== null && actual <= limit)
  }

  atMost('safety', 'bytes lost', 0, bytesLost)
  atMost('safety', 'bytes duplicated', 0, bytesDuplicated)
  atMost('safety', 'corrupted connections', 0, flows.corrupted)
  if (expect.singleOwner) {
    atMost('safety', 'virtual addresses that changed hosts', seen.takeovers, seen.moves)
  }

  atMost('liveness', 'connections reset', expect.reset, flows.reset)
  atMost('liveness', 'connections that did not end', 0, flows.timedOut)
  check('liveness', 'connections completed', 'at least 1', `${flows.completed}`, flows.completed > 0)
  if (expect.takeovers !== undefined) {
    const {takeovers} = expect
    check('liveness', 'takeovers', `${takeovers}`, `${seen.takeovers}`, seen.takeovers === takeovers)
  }

  atMost('liveness', 'gap p50, ms', expect.gapP50Ms, gapMs.p50)
  atMost('liveness', 'gap p99, ms', expect.gapP99Ms, gapMs.p99)
  atMost('liveness', 'gap max, ms', expect.gapMaxMs, gapMs.max)
  atMost('liveness', 'longest wait, ms', expect.pauseMaxMs, pauseMs.max)
  if (expect.paired) check('liveness', 'paired in the end', 'yes', seen.paired ? 'yes' : 'no', seen.paired)
  return checks
}
