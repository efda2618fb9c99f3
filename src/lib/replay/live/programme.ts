import {setTimeout as sleep} from 'node:timers/promises'

import {modelConversation} from '../model/model.js'
import type {LegRtts, ModelParameters} from '../model/parameters.js'
import {Act} from './act.js'
import type {PathSamples, Times} from './compare.js'
import {LiveLab} from './live-lab.js'
import type {LivePlan, PlannedConnection, PlannedGroup} from './plan.js'
import type {PlayedTurn} from './speaker.js'
import {measuredTimes} from './times.js'

export interface ProgrammeOptions {
  parameters: ModelParameters
  /** Conversations at a time. */
  concurrency: number
  /** How often each is played over each path. */
  repeats: number
  /** For all of it. */
  deadlineMs: number
  /** Told what is going on, for people. */
  progress?: (what: string) => void
}

/** Payload of a full segment in the lab: an MTU of 1500, with timestamps. */
const LAB_MSS = 1448
/** A conversation has failed when it takes this much longer than modelled, ms. */
const PATIENCE_MS = 15_000
const WARM_UP_MS = 10_000
const WARM_UPS = 40
const SMALL_TURNS: PlayedTurn[] = [
  {from: 'client', bytes: 200, thinkMs: 0},
  {from: 'server', bytes: 200, thinkMs: 0},
]
/** Small conversations of each round at rest: as many as make a median. */
const AT_REST = 5
const NO_LEGS: LegRtts = {clientEdge: 0, edgeGateway: 0, gatewayOrigin: 0}

/** All conversations over all paths, lab after lab, and what was measured. */
export class Programme {
  readonly samples: PathSamples[] = []
  complete = true
  readonly #deadline: number
  readonly #progress: (what: string) => void
  /** Links without delay: what is measured there is no round trip. */
  readonly #atRest: PlannedGroup

  constructor(
    private readonly plan: LivePlan,
    private readonly options: ProgrammeOptions,
  ) {
    this.#deadline = performance.now() + options.deadlineMs
    this.#progress = options.progress ?? (() => {})
    this.#atRest = {rttMs: 0, legs: NO_LEGS, connections: Array.from({length: AT_REST}, () => this.#small())}
  }

  /** @throws OverlayError of the labs */
  async run(): Promise<void> {
    const {replicationAckMs} = this.options.parameters
    await this.#lab({paired: false, zeroRtt: true}, [new Act('direct', null), new Act('zero-rtt', null)])
    await this.#lab({paired: false, zeroRtt: false}, [new Act('split', null)])
    const paired = replicationAckMs.map((ms) => new Act('zero-rtt', ms))
    await this.#lab({paired: true, zeroRtt: true}, paired)
    this.samples.sort((a, b) => order(a) - order(b))
  }

  async #lab(kind: {paired: boolean; zeroRtt: boolean}, acts: readonly Act[]): Promise<void> {
    if (this.#isOver()) return this.#report(acts)
    this.#progress(
      `building a lab ${kind.paired ? 'with a pair' : kind.zeroRtt ? 'with zero-RTT' : 'without zero-RTT'}`,
    )
    const lab = await LiveLab.open({...kind, places: this.options.concurrency})
    try {
      for (const act of firstOfEachPath(acts)) await this.#warmUp(lab, act)
      for (let round = 1; round <= this.options.repeats && !this.#isOver(); round++) await this.#round(lab, acts, round)
    } finally {
      this.#progress('removing the lab')
      await lab.close()
    }

    this.#report(acts)
  }

  /**
   * Small conversations over links without delay: an edge takes a moment to make itself known to its gateway, and what
   * runs for the first time in a process takes milliseconds more than later.
   */
  async #warmUp(lab: LiveLab, act: Act): Promise<void> {
    this.#progress(`${act.name}: warming up`)
    await lab.setLegs(NO_LEGS)
    const until = Math.min(this.#deadline, performance.now() + WARM_UP_MS)
    for (let count = 0, good = 0; good < WARM_UPS && performance.now() < until; count++) {
      const outcome = await lab.house.play(this.#small(), lab.place(act.path, count), 2000)
      if ('times' in outcome) good++
      else await sleep(100)
    }
  }

  /**
   * Everything once. Not path after path: what else the machine does for some seconds then falls on one of the plays of
   * every path, not on all plays of one.
   */
  async #round(lab: LiveLab, acts: readonly Act[], round: number): Promise<void> {
    for (const group of [this.#atRest, ...this.plan.groups]) {
      const resting = group === this.#atRest
      // The latency is none of what a pair takes at rest, so there is one such measurement for all of them.
      for (const act of resting ? firstOfEachPath(acts) : acts) {
        if (this.#isOver()) return
        const {rttMs} = group
        this.#progress(
          `round ${round} of ${this.options.repeats}: ${act.name}, ${resting ? 'links without delay' : `${rttMs} ms`}`,
        )
        if (act.replicationAckMs !== null) await lab.setReplication(resting ? 0 : act.replicationAckMs)
        await this.#group(lab, act, group)
      }
    }
  }

  async #group(lab: LiveLab, act: Act, group: PlannedGroup): Promise<void> {
    const legs = act.path === 'direct' ? directLegs(group) : group.legs
    await lab.setLegs(legs)
    const waiting = group.connections.filter((planned) => !act.hasFailed(planned))
    const worker = async (index: number): Promise<void> => {
      for (let planned = waiting.shift(); planned && !this.#isOver(); planned = waiting.shift()) {
        await this.#play(lab, act, group, planned, index, legs)
      }
    }

    await Promise.all(Array.from({length: this.options.concurrency}, (_, index) => worker(index)))
  }

  async #play(
    lab: LiveLab,
    act: Act,
    {rttMs}: PlannedGroup,
    planned: PlannedConnection,
    index: number,
    legs: LegRtts,
  ): Promise<void> {
    const {turns, captured} = planned
    const modelled: Times = modelConversation(
      {id: captured.id, server: captured.server, rttMs, mssBytes: LAB_MSS, turns},
      this.#parameters(legs),
      act.path,
      act.replicationAckMs,
    )
    const expected = modelled.completedMs ?? modelled.handshakeMs
    const patience = expected * 2 + PATIENCE_MS
    const oneWay = (legs.clientEdge + legs.edgeGateway + legs.gatewayOrigin) / 2
    const timeoutMs = Math.max(1, Math.min(this.#deadline - performance.now(), patience))
    const outcome = await lab.house.play(planned, lab.place(act.path, index), timeoutMs)
    if ('times' in outcome) act.add(planned, measuredTimes(outcome.times, planned, oneWay), modelled)
    else if (!this.#isOver()) act.fail(planned, outcome.error)
  }

  /** Of the model beside what is played: the lab's own legs. */
  #parameters(legs: LegRtts): ModelParameters {
    return {...this.options.parameters, legs: {kind: 'absolute', ...legs}, pathStretch: 1, mssBytes: LAB_MSS}
  }

  /** Whether the deadline has come; then what is not played yet is missing. */
  #isOver(): boolean {
    if (performance.now() < this.#deadline) return false
    this.complete = false
    return true
  }

  /** What was measured over paths of one lab. */
  #report(acts: readonly Act[]): void {
    const connections = this.plan.groups.flatMap((group) => group.connections)
    const resting = this.#atRest.connections
    for (const act of acts) {
      const {path, replicationAckMs} = act
      const atRest = (acts.find((other) => other.path === path) ?? act).samples(resting)
      this.samples.push({
        path,
        replicationAckMs,
        atRest: atRest.map(({measured}) => measured),
        samples: act.samples(connections),
        errors: act.errors(connections),
      })
    }
  }

  #small(): PlannedConnection {
    const [client, server] = SMALL_TURNS.map(({bytes}) => Buffer.alloc(bytes))
    const {captured} = this.plan.groups[0].connections[0]
    return {captured, turns: SMALL_TURNS, bytes: () => ({client, server}), fillerBytes: () => 0}
  }
}

function firstOfEachPath(acts: readonly Act[]): Act[] {
  return acts.filter((act, index) => acts.findIndex(({path}) => path === act.path) === index)
}

/** The direct path has the measured round trip, however much longer the overlay's is. */
function directLegs({rttMs, legs: {clientEdge, edgeGateway, gatewayOrigin}}: PlannedGroup): LegRtts {
  const whole = clientEdge + edgeGateway + gatewayOrigin
  if (whole === 0) return {clientEdge: 0, edgeGateway: rttMs, gatewayOrigin: 0}
  const scale = rttMs / whole
  return {clientEdge: clientEdge * scale, edgeGateway: edgeGateway * scale, gatewayOrigin: gatewayOrigin * scale}
}

/** direct, split, zero-RTT, then pairs by latency. */
function order({path, replicationAckMs}: Pick<PathSamples, 'path' | 'replicationAckMs'>): number {
  if (path === 'direct') return -3
  if (path === 'split') return -2
  return replicationAckMs ?? -1
}
