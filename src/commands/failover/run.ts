import {Args, Flags} from '@oclif/core'
import {writeFileSync} from 'node:fs'
import ora from 'ora'

import {OverlayCommand} from '../../lib/cli/base-command.js'
import {ExitCode, OverlayError} from '../../lib/errors/index.js'
import {junitReport} from '../../lib/failover/junit.js'
import {renderReport, reportOf, type ScenarioReport} from '../../lib/failover/report.js'
import {runScenario} from '../../lib/failover/run.js'
import {readScenario} from '../../lib/failover/scenario.js'
import type {RunResult} from '../../lib/failover/verdict.js'

export default class FailoverRun extends OverlayCommand<ScenarioReport> {
  static override summary = 'Run a chaos scenario against pairs in a lab, and judge it'
  static override description = `Builds the scenario's lab in network namespaces, starts its edge and gateway, sends a load whose every byte is known at
both ends, kills, pauses, cuts and delays as the scenario says, undoes it, and says whether what was expected held.

Exit codes: 0 pass, 3 fail, 6 inconclusive: a fault had no effect, or no connection was open when it came.
The seed that is printed gives the same moments again. docs/FAILOVER.md describes the file.`
  static override examples = [
    {description: 'One scenario', command: '<%= config.bin %> <%= command.id %> scenarios/edge-kill-primary.yml'},
    {
      description: 'Twenty times, each with other moments, for CI',
      command:
        '<%= config.bin %> <%= command.id %> scenarios/gateway-kill-primary.yml --repeat 20 --junit failover.xml --json',
    },
  ]

  static override args = {
    scenario: Args.file({description: 'scenario file (YAML)', required: true}),
  }

  static override flags = {
    seed: Flags.integer({
      description: 'of the moments that the scenario leaves open; drawn when not given',
      min: 0,
      max: 4_294_967_295,
    }),
    repeat: Flags.integer({description: 'runs in one lab, each with the next seed', default: 1, min: 1, max: 10_000}),
    keep: Flags.string({
      description:
        'put logs, captures and a line for each connection of every run that does not pass into this directory',
      helpValue: 'DIR',
    }),
    junit: Flags.string({description: 'also write a JUnit report to this file', helpValue: 'FILE'}),
  }

  protected async perform(): Promise<ScenarioReport> {
    const {args, flags} = await this.parse(FailoverRun)
    const scenario = readScenario(args.scenario)
    const seed = flags.seed ?? Math.floor(Math.random() * 4_294_967_296)
    const spinner = ora({stream: process.stderr, text: `${scenario.name}, seed ${seed}`})
    if (process.stderr.isTTY) spinner.start()
    let results: RunResult[]
    try {
      results = await runScenario(scenario, {
        seed,
        repeat: flags.repeat,
        keep: flags.keep,
        progress(what) {
          spinner.text = `${scenario.name}: ${what}`
        },
        ended({seed: ended, verdict}) {
          // Where no spinner shows what goes on.
          if (!process.stderr.isTTY && flags.repeat > 1) process.stderr.write(`seed ${ended}: ${verdict}\n`)
        },
      })
    } finally {
      spinner.stop()
    }

    if (flags.junit !== undefined) writeJunit(flags.junit, results)
    const report = reportOf(results)
    if (report.verdict === 'fail') this.conclude(ExitCode.Negative)
    else if (report.verdict === 'inconclusive') this.conclude(ExitCode.Inconclusive)
    return report
  }

  protected render(report: ScenarioReport): string {
    return renderReport(report)
  }
}

function writeJunit(path: string, results: readonly RunResult[]): void {
  try {
    writeFileSync(path, junitReport(results))
  } catch (error) {
    throw new OverlayError('USAGE', `the JUnit report cannot be written to ${path}`, {
      cause: (error as NodeJS.ErrnoException).code,
    })
  }
}
