import {setTimeout as sleep} from 'node:timers/promises'

import {keepEvidence} from './evidence.js'
import {Faults, type FaultReport} from './faults.js'
import {LoadClient, LoadOrigin} from './load.js'
import {OwnerWatch} from './owner-watch.js'
import {SeededRandom} from './random.js'
import type {Scenario} from './scenario.js'
import {schedule} from './schedule.js'
import {PairStage} from './stage.js'
import {judge, type RunResult} from './verdict.js'

/** A connection of the load that lasts longer has failed, ms. */
const FLOW_DEADLINE_MS = 60_000

/** Load runs for so long before the first step's time begins to count, ms. */
const WARM_UP_MS = 1500

/** Whoever a step is for is looked up so long before, ms. */
const LOOK_UP_MS = 150

export interface RunOptions {
  seed: number
  /** Runs in one lab, each with a seed made of the one before. */
  repeat: number
  /** A directory for what there is to look at of each run that did not pass. */
  keep?: string
  progress?: (what: string) => void
  /** A run has ended. */
  ended?: (result: RunResult) => void
}

/**
 * Runs a scenario: builds its lab, waits until its pairs are paired, and then, for each run, starts the load, carries the
 * steps out, lets the load end, undoes what is still in effect and judges. Removes the lab.
 *
 * @throws OverlayError of the lab; CONFIG_INVALID and NOT_FOUND for what the scenario asks for and there is not
 */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<RunResult[]> {
  const {progress = () => {}} = options
  const {topology} = scenario
  progress('building the lab')
  const stage = await PairStage.up({
    ...topology,
    replicationRttMs: topology.replicationAckMs,
    linkEngine: topology.linkEngine,
    smallDisks: scenario.steps.some((step) => step.do === 'fillDisk'),
  })
  try {
    const origin = await LoadOrigin.start(stage)
    const results: RunResult[] = []
    let firstFlow = 1
    for (let run = 0; run < options.repeat; run++) {
      const seed = (options.seed + run) >>> 0
      const where = options.repeat > 1 ? `run ${run + 1} of ${options.repeat}: ` : ''
      const result = await runOnce(scenario, stage, origin, {seed, firstFlow, where, progress, keep: options.keep})
      firstFlow += result.flows.started + 1_000_000
      results.push(result)
      options.ended?.(result)
      stage.log = ''
    }

    return results
  } finally {
    progress('removing the lab')
    await stage.down()
  }
}

interface Turn {
  seed: number
  firstFlow: number
  keep: string | undefined
  /** Before what is told of the progress. */
  where: string
  progress: (what: string) => void
}

async function runOnce(
  scenario: Scenario,
  stage: PairStage,
  origin: LoadOrigin,
  {seed, firstFlow, keep, where, progress: tell}: Turn,
): Promise<RunResult> {
  const progress = (what: string): void => tell(where + what)
  const random = new SeededRandom(seed)
  const faults = new Faults(stage)
  const epochs = await stage.epochs()
  const {pairs} = stage.options
  const watches = await Promise.all(pairs.map((region) => OwnerWatch.start(stage, region)))
  const middles = keep !== undefined && pairs.length === 1 ? [await OwnerWatch.start(stage, pairs[0], true)] : []
  origin.reports.length = 0
  progress('starting the load')
  const client = await LoadClient.start(stage, scenario.load, firstFlow, FLOW_DEADLINE_MS)
  await sleep(WARM_UP_MS)
  const startedAt = performance.timeOrigin + performance.now()
  const since = (): number => performance.timeOrigin + performance.now() - startedAt
  const reports: FaultReport[] = []
  let paired = true
  try {
    for (const {step, ...due} of schedule(scenario.steps, random)) {
      const at = 'at' in due ? due.at : since() + due.after
      await sleep(Math.max(0, at - since() - LOOK_UP_MS))
      const {target, act} = await faults.prepare(step)
      await sleep(Math.max(0, at - since()))
      progress(`${step.do} ${target}`)
      const when = since()
      reports.push({at: Math.round(when), kind: step.do, target, fired: await act()})
    }

    await sleep(scenario.settle)
  } finally {
    progress('undoing what is still in effect')
    await faults.rollBack()
  }

  progress('waiting for the connections to end')
  await client.stop(scenario.drain)
  for (const region of stage.options.pairs) {
    paired =
      paired &&
      (await stage.paired(region).then(
        () => true,
        () => false,
      ))
  }

  const after = await stage.epochs()
  const takeovers = after.reduce((sum, epoch, index) => sum + epoch - epochs[index], 0)
  for (const watch of middles) await watch.stop()
  const moves = (await Promise.all(watches.map((watch) => watch.stop()))).reduce((sum, each) => sum + each, 0)
  const loadReports = {clients: client.reports, origins: [...origin.reports]}
  const result = judge({scenario, seed, startedAt, reports: loadReports, faults: reports, takeovers, moves, paired})
  if (keep !== undefined && result.verdict !== 'pass') {
    keepEvidence(keep, {result, reports: loadReports, watches: [...watches, ...middles], log: stage.log})
  }

  for (const watch of [...watches, ...middles]) watch.discard()
  return result
}
