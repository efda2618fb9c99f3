import {Flags} from '@oclif/core'

import {LOAD_FLAGS, LoadBenchCommand, PROCESSES_FLAG} from '../../lib/bench/load-command.js'
import type {LoadPath, MemoryBench} from '../../lib/bench/load-schema.js'
import {benchMemory} from '../../lib/bench/memory-bench.js'

const PATHS: readonly LoadPath[] = ['zero-rtt', 'haproxy', 'nginx']

export default class BenchMemory extends LoadBenchCommand<MemoryBench> {
  static override summary = 'Measure the memory of an idle connection beside pairs of HAProxy and nginx'

  static override description = `Builds a lab whose links are bridges. Starts each relay anew, opens connections through it, each with one exchange, and reads the PSS of all processes of edge and gateway before and after; the kernel's memory is not in it. The ratios are to HAProxy in the same round. Needs root, and about two minutes. Ends with exit code 6 when a path that was not skipped has no good round.`

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --connections 1000 --connections 8000',
    '<%= config.bin %> <%= command.id %> --path zero-rtt --path haproxy --rounds 15 --json',
  ]

  static override flags = {
    ...LOAD_FLAGS,
    path: Flags.string({
      description: 'measure only this path; repeat for several',
      multiple: true,
      options: ['split', 'zero-rtt', 'haproxy', 'haproxy-splice', 'nginx'] satisfies LoadPath[],
    }),
    connections: Flags.integer({
      description: 'idle connections; repeat for several cases; default 4000',
      multiple: true,
      min: 100,
      max: 8000,
    }),
    processes: PROCESSES_FLAG,
  }

  protected override async perform(): Promise<MemoryBench> {
    const {flags} = await this.parse(BenchMemory)
    return this.measure((progress) =>
      benchMemory({
        ...this.common(flags, PATHS),
        processes: flags.processes,
        connections: [...new Set(flags.connections ?? [4000])].sort((a, b) => a - b),
        progress,
      }),
    )
  }
}
