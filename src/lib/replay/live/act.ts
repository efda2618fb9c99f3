import type {ModelPath} from '../model/opening.js'
import type {Sample, Times} from './compare.js'
import type {PlannedConnection} from './plan.js'
import {shortestTimes} from './times.js'

/** One path over one lab, with what was played over it. */
export class Act {
  /** By connection of the plan. */
  readonly #measured = new Map<PlannedConnection, {times: Times[]; modelled: Times}>()
  readonly #failed = new Map<PlannedConnection, string>()

  constructor(
    readonly path: ModelPath,
    /** Round trip of the replication link; null without a pair. */
    readonly replicationAckMs: number | null,
  ) {}

  get name(): string {
    return this.replicationAckMs === null ? this.path : `${this.path} with a pair at ${this.replicationAckMs} ms`
  }

  hasFailed(planned: PlannedConnection): boolean {
    return this.#failed.has(planned)
  }

  fail(planned: PlannedConnection, error: string): void {
    this.#failed.set(planned, error)
  }

  add(planned: PlannedConnection, times: Times, modelled: Times): void {
    const known = this.#measured.get(planned)
    if (known) known.times.push(times)
    else this.#measured.set(planned, {times: [times], modelled})
  }

  /** One for each connection of these that was played and did not fail. */
  samples(of: readonly PlannedConnection[]): Sample[] {
    return of.flatMap((planned) => {
      const known = this.#measured.get(planned)
      if (!known || this.hasFailed(planned)) return []
      return [{connection: planned.captured.id, measured: shortestTimes(known.times), modelled: known.modelled}]
    })
  }

  errors(of: readonly PlannedConnection[]): string[] {
    return of.flatMap((planned) => this.#failed.get(planned) ?? [])
  }
}
