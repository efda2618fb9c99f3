import {setTimeout as sleep} from 'node:timers/promises'

import {Faults, type FaultReport} from './faults.js'
import {LoadClient, LoadOrigin} from './load.js'
import {OwnerWatch} from './owner-watch.js'
import {SeededRandom} from './random.js'
import type {Scenario} from './scenario.js'
import {PairStage} from './stage.js'
import {judge, type RunResult} from './verdict.js'

/** A connection of the load that lasts longer has failed, ms. */
const FLOW_DEADLINE_MS = 60_000

/** Load runs for so long before the first step's time begins to count, ms. */
const WARM_UP_MS = 500

/** Whoever a step is for is looked up so long before, ms. */
const LOOK_UP_MS = 150

export interface RunOptions {
  seed: number
  /** Runs in one lab, each with a seed made of the one before. */
  repeat: number
  progress?: (what: string) => void
  /** Called after each run, with what the members have logged in it. */
  finished?: (result: RunResult, log: string) => void
}

/**
 * Runs a scenario: builds its lab, waits until its pairs are paired, and then, for each run, starts the load, carries the
 * steps out, lets the load end, undoes what is still in effect and judges. Removes the lab.
 *
 * @throws OverlayError of the lab; CONFIG_INVALID and NOT_FOUND for what the scenario asks for and there is not
 */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<RunResult[]> {
  const {progress = () => {}, finished = () => {}} = options
  const {topology} = scenario
  progress('building the lab')
  const stage = await PairStage.up({...topology, replicationRttMs: topology.replicationAckMs})
  try {
    const origin = await LoadOrigin.start(stage)
    const results: RunResult[] = []
    let firstFlow = 1
    for (let run = 0; run < options.repeat; run++) {
      const seed = (options.seed + run) >>> 0
      const where = options.repeat > 1 ? `run ${run + 1} of ${options.repeat}: ` : ''
      const result = await runOnce(scenario, stage, origin, seed, firstFlow, (what) => progress(where + what))
      firstFlow += result.flows.started + 1_000_000
      results.push(result)
      finished(result, stage.log)
      stage.log = ''
    }

    return results
  } finally {
    progress('removing the lab')
    await stage.down()
  }
}

async function runOnce(
  scenario: Scenario,
  stage: PairStage,
  origin: LoadOrigin,
  seed: number,
  firstFlow: number,
  progress: (what: string) => void,
): Promise<RunResult> {
  const random = new SeededRandom(seed)
  const faults = new Faults(stage)
  const epochs = await stage.epochs()
  const watches = await Promise.all(stage.options.pairs.map((region) => OwnerWatch.start(stage, region)))
  origin.reports.length = 0
  progress('starting the load')
  const client = await LoadClient.start(stage, scenario.load, firstFlow, FLOW_DEADLINE_MS)
  await sleep(WARM_UP_MS)
  const startedAt = performance.timeOrigin + performance.now()
  const since = (): number => performance.timeOrigin + performance.now() - startedAt
  const reports: FaultReport[] = []
  const steps = scenario.steps
    .map((step) => ({step, at: random.between(...step.at)}))
    .sort((one, other) => one.at - other.at)
  let paired = true
  try {
    for (const {step, at} of steps) {
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
  const moves = (await Promise.all(watches.map((watch) => watch.stop()))).reduce((sum, each) => sum + each, 0)
  return judge({
    scenario,
    seed,
    startedAt,
    reports: {clients: client.reports, origins: [...origin.reports]},
    faults: reports,
    takeovers,
    moves,
    paired,
  })
}
