import {Flags} from '@oclif/core'
import ora from 'ora'

import {OverlayCommand} from '../cli/base-command.js'
import {ExitCode} from '../errors/index.js'
import type {LoadBenchOptions} from './load-bench.js'
import {renderLoadBench} from './load-render.js'
import {LOAD_PATHS, type LoadBench, type LoadPath} from './load-schema.js'
import {mainFigure, noiseOf} from './noise.js'

/** Flags of all load benches. */
export const LOAD_FLAGS = {
  path: Flags.string({
    description: 'measure only this path; repeat for several',
    multiple: true,
    options: [...LOAD_PATHS],
  }),
  rounds: Flags.integer({description: 'how often every path is measured, in turns', default: 7, min: 1, max: 1000}),
  'congestion-control': Flags.string({
    description: 'for every socket of every host; reno is the one that any namespace may use',
    default: 'reno',
  }),
}

export const PROCESSES_FLAG = Flags.integer({
  description: "of each relay: relay processes, HAProxy's threads, nginx's workers",
  default: 1,
  min: 1,
  max: 64,
})

/** A bench that loads every path in turns: progress, warnings about noise, exit code and text are the same for all. */
export abstract class LoadBenchCommand<Bench extends LoadBench> extends OverlayCommand<Bench> {
  /** @param paths what is measured when no path is asked for */
  protected common(
    flags: {path?: string[]; rounds: number; 'congestion-control': string},
    paths: readonly LoadPath[],
  ): Omit<LoadBenchOptions, 'progress'> {
    return {
      paths: flags.path === undefined ? paths : LOAD_PATHS.filter((name) => flags.path?.includes(name)),
      rounds: flags.rounds,
      congestionControl: flags['congestion-control'],
    }
  }

  protected async measure(run: (progress: (what: string) => void) => Promise<Bench>): Promise<Bench> {
    const spinner = ora({stream: process.stderr, isEnabled: process.stderr.isTTY, discardStdin: false}).start()
    try {
      const bench = await run((what) => {
        spinner.text = what
      })
      spinner.stop()
      for (const warning of noiseOf(bench)) this.note(warning)
      const paths = bench.cases.flatMap((each): readonly object[] => each.paths)
      if (paths.length === 0 || paths.some((path) => mainFigure(path) === null)) this.conclude(ExitCode.Inconclusive)
      return bench
    } finally {
      spinner.stop()
    }
  }

  protected override render(bench: Bench): string {
    return renderLoadBench(bench)
  }
}
