import {readFileSync} from 'node:fs'

import type {InstanceSnapshot} from '../relay/supervisor.js'
import {exposition} from './exposition.js'
import {instanceSamples} from './instance-samples.js'
import {processSamples} from './process-samples.js'
import {ProcessTotals} from './process-totals.js'

/** The metrics of one edge or gateway, as the control process serves them. */
export class InstanceMetrics {
  readonly #totals = new ProcessTotals()
  readonly #version = versionOfPackage()

  /** @param snapshot asks all relay processes, with a deadline of its own */
  constructor(private readonly snapshot: () => Promise<InstanceSnapshot>) {}

  /** One scrape, in Prometheus' text format. */
  async text(): Promise<string> {
    const {status, processes} = await this.snapshot()
    const silent = processes.filter((each) => each.status === null).length
    const counted = processes.map((each) => ({
      pid: each.pid,
      samples: each.status === null ? null : processSamples(each.status),
    }))
    return exposition([
      ...instanceSamples(status, silent, this.#version, Date.now() / 1000),
      ...this.#totals.add(counted),
    ])
  }
}

function versionOfPackage(): string {
  const {version} = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}
