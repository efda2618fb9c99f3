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

/** Of benches that send as fast as they can. */
export const BULK_FLAGS = {
  streams: Flags.integer({
    description: 'connections that send at a time; repeat for several cases; default 1 and 8',
    multiple: true,
    min: 1,
    max: 256,
  }),
  direction: Flags.string({description: 'from the client (up) or to it; default both', options: ['up', 'down']}),
  ms: Flags.integer({description: 'how long one transfer lasts, ms', default: 500, min: 10, max: 600_000}),
}

/** What these flags ask for; a direction and a number of streams for each case. */
export function bulkOf({streams, direction, ms}: {streams?: number[]; direction?: string; ms: number}) {
  return {
    directions: direction === undefined ? (['up', 'down'] as const) : [direction as 'down' | 'up'],
    streams: [...new Set(streams ?? [1, 8])].sort((a, b) => a - b),
    ms,
  }
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
