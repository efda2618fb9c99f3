import {OverlayError} from '../errors/index.js'
import {LoadClient, LoadOrigin} from '../failover/load.js'
import {reportOf} from '../failover/report.js'
import {runScenario} from '../failover/run.js'
import {scenarioSchema, type Scenario} from '../failover/scenario.js'
import {PairStage, type Region} from '../failover/stage.js'
import type {Gaps} from '../failover/verdict.js'
import {measureAckDelays} from './paced-connection.js'
import {percentiles, round, type Percentiles} from './percentiles.js'
import {ratio, type Ratio} from './ratio.js'

export interface FailoverBenchOptions {
  /** Of each of the three links of the path, ms. */
  rttMs: number
  /** Round trips of the replication link, ms. */
  replicationAckMs: readonly number[]
  rounds: number
  /** Of a transfer, each way. */
  bytes: number
  /** Of the owner, at each latency. */
  kills: number
  progress?: (what: string) => void
}

/** One configuration's figures. Ratios are medians over rounds, each to the relay without a pair in the same round. */
export interface FailoverBenchRow {
  /** null: one edge, no replication. */
  replicationAckMs: number | null
  /** From a client's last segment of two to its acknowledgement. */
  ackDelayMs: Percentiles | null
  /** p50 less that without replication, ms. */
  ackDelayAddedMs: number | null
  upload: Ratio | null
  download: Ratio | null
  /** After kill -9 of the owner under load; null without a pair, whose connections die with it. */
  gapMs: Gaps | null
  pauseMs: Gaps | null
  connectionsReset: number | null
}

export interface FailoverBench {
  rttMs: number
  rounds: number
  bytes: number
  kills: number
  rows: FailoverBenchRow[]
  /** Transfers over links that are bridges: no process carries their frames, large segments stay whole. */
  bridged: {upload: Ratio | null; download: Ratio | null}
}

const TRANSFER_DEADLINE_MS = 120_000

/** Where the numbers of one configuration gather. */
class Measured {
  readonly delays: number[] = []
  /** Bytes/ms of each round. */
  readonly upload: number[] = []
  readonly download: number[] = []

  constructor(readonly replicationAckMs: number | null) {}
}

/**
 * Measures what replication to a backup costs an edge, at several round trips of its replication link, beside the same
 * edge without a backup: in two labs that stand side by side, in turns.
 *
 * @throws OverlayError of the labs
 */
export async function benchFailover(options: FailoverBenchOptions): Promise<FailoverBench> {
  const {rttMs, rounds, bytes, kills, progress = () => {}} = options
  const all = [new Measured(null), ...options.replicationAckMs.map((ms) => new Measured(ms))]
  const bridged = [new Measured(null), new Measured(0)]
  progress('building the labs')
  const bench = new Bench(options)
  try {
    await bench.open()
    for (let turn = 0; turn < rounds; turn++) {
      for (let i = 0; i < all.length; i++) {
        const measured = all[(turn + i) % all.length]
        progress(`round ${turn + 1} of ${rounds}: ${nameOf(measured.replicationAckMs)}`)
        await bench.measure(measured)
      }

      for (const measured of turn % 2 === 0 ? bridged : [...bridged].reverse()) {
        progress(`round ${turn + 1} of ${rounds}: over bridges, ${nameOf(measured.replicationAckMs)}`)
        await bench.measureBridged(measured)
      }
    }
  } finally {
    progress('removing the labs')
    await bench.close()
  }

  const rows = all.map((measured) => rowOf(measured, all[0]))
  for (const row of rows) {
    if (row.replicationAckMs === null || kills === 0) continue
    progress(`killing owners, ${nameOf(row.replicationAckMs)}`)
    const report = reportOf(
      await runScenario(killScenario(rttMs, row.replicationAckMs), {seed: 1, repeat: kills, progress}),
    )
    row.gapMs = report.gapMs
    row.pauseMs = report.pauseMs
    row.connectionsReset = report.flows.reset
  }

  const [without, replicated] = bridged
  return {
    rttMs,
    rounds,
    bytes,
    kills,
    rows,
    bridged: {
      upload: ratio(replicated.upload, without.upload),
      download: ratio(replicated.download, without.download),
    },
  }
}

/** Two labs with delays, and two of bridges. */
class Bench {
  #plain: PairStage | null = null
  #paired: PairStage | null = null
  readonly #bridged: PairStage[] = []
  #nextFlow = 1

  constructor(private readonly options: FailoverBenchOptions) {}

  async open(): Promise<void> {
    const {rttMs} = this.options
    this.#plain = await PairStage.up({pairs: [], family: 'ipv4', rttMs})
    this.#paired = await PairStage.up({pairs: ['edge'], family: 'ipv4', rttMs})
    for (const pairs of [[], ['edge']] as Region[][]) {
      this.#bridged.push(await PairStage.up({pairs, family: 'ipv4', rttMs: 0, linkEngine: 'bridge'}))
    }

    for (const stage of [this.#plain, this.#paired, ...this.#bridged]) await LoadOrigin.start(stage)
  }

  async close(): Promise<void> {
    for (const stage of this.#bridged) await stage.down()
    await this.#paired?.down()
    await this.#plain?.down()
  }

  async measure(measured: Measured): Promise<void> {
    const {replicationAckMs} = measured
    const stage = (replicationAckMs === null ? this.#plain : this.#paired) as PairStage
    if (replicationAckMs !== null) await stage.lab.setLink('edge-replication', {delayMs: replicationAckMs / 2})
    const everyMs = Math.ceil(2 * (this.options.rttMs + (replicationAckMs ?? 0))) + 20
    measured.delays.push(...(await measureAckDelays(stage, this.#nextFlow++, everyMs)))
    const {bytes} = this.options
    measured.upload.push(await this.#transfer(stage, bytes, 0))
    measured.download.push(await this.#transfer(stage, 0, bytes))
  }

  async measureBridged({replicationAckMs, upload, download}: Measured): Promise<void> {
    const stage = this.#bridged[replicationAckMs === null ? 0 : 1]
    const {bytes} = this.options
    upload.push(await this.#transfer(stage, bytes, 0))
    download.push(await this.#transfer(stage, 0, bytes))
  }

  /** @returns bytes/ms */
  async #transfer(stage: PairStage, up: number, down: number): Promise<number> {
    const group = {flows: 1, up, down, serverFirst: false, halfClose: 'none' as const}
    const client = await LoadClient.start(stage, [group], this.#nextFlow++, TRANSFER_DEADLINE_MS)
    await client.stop(TRANSFER_DEADLINE_MS)
    const report = client.reports.at(0)
    if (!report || report.error !== null || report.connectedAt === null) {
      throw new OverlayError('UNREACHABLE', 'a transfer did not end', {cause: report?.error ?? 'deadline'})
    }

    return (up + down) / (report.endedAt - report.connectedAt)
  }
}

function rowOf(measured: Measured, plain: Measured): FailoverBenchRow {
  const {replicationAckMs, delays} = measured
  const of = percentiles(delays)
  const base = percentiles(plain.delays)
  return {
    replicationAckMs,
    ackDelayMs: of,
    ackDelayAddedMs: of === null || base === null ? null : round(of.p50 - base.p50),
    upload: ratio(measured.upload, plain.upload),
    download: ratio(measured.download, plain.download),
    gapMs: null,
    pauseMs: null,
    connectionsReset: null,
  }
}

function killScenario(rttMs: number, replicationAckMs: number): Scenario {
  return scenarioSchema.parse({
    name: 'bench-failover',
    description: 'The owner is killed under one long and many short connections.',
    topology: {pairs: ['edge'], rttMs, replicationAckMs},
    load: [
      {flows: 1, up: 8_000_000, down: 8_000_000},
      {flows: 20, up: 2000, down: 20_000, think: '50ms'},
    ],
    steps: [{at: ['300ms', '1200ms'], do: 'kill', target: 'edge.primary'}],
    settle: '500ms',
    expect: {takeovers: 1},
  })
}

const nameOf = (ms: number | null): string => (ms === null ? 'without replication' : `replication ack ${ms} ms`)
