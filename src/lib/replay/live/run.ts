import {setTimeout as sleep} from 'node:timers/promises'

import {OverlayError} from '../../errors/index.js'
import type {ReplayConnection} from '../connection.js'
import {modelConversation} from '../model/model.js'
import type {ModelPath} from '../model/opening.js'
import type {LegRtts, ModelParameters} from '../model/parameters.js'
import {compareRows, explain, type PathSamples, type Times} from './compare.js'
import {CONGESTION_CONTROL, LiveLab} from './live-lab.js'
import {planLive, type LivePlan, type PlannedConnection, type PlannedGroup} from './plan.js'
import type {PlayTimes} from './play-house.js'
import type {LiveResult} from './schema.js'
import type {PlayedTurn} from './speaker.js'

export interface LiveOptions {
  parameters: ModelParameters
  /** The most connections that are played, evenly spread over the capture. */
  connections: number
  /** Conversations at a time. */
  concurrency: number
  /** How often each is played over each path: the shortest of its times counts. */
  repeats: number
  /** Think times are divided by this. */
  speedUp: number
  /** For all of it; what was measured until then is the result. */
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
const WARM_UP_TURNS: PlayedTurn[] = [
  {from: 'client', bytes: 200, thinkMs: 0},
  {from: 'server', bytes: 200, thinkMs: 0},
]

/** One turn of the programme: one path over one lab. */
interface Act {
  path: ModelPath
  replicationAckMs: number | null
}

/**
 * Plays captured conversations over labs with their round trips: directly, over a split connection, over one with a
 * zero-RTT middle leg, and over that with a replicating pair at each latency. Builds labs and removes them.
 *
 * @param connections with payloads where they are to be the captured ones
 * @throws OverlayError USAGE for parameters that overlay is not built for; of the labs; INCONCLUSIVE when no connection can
 *   be played
 */
export async function runLive(connections: readonly ReplayConnection[], options: LiveOptions): Promise<LiveResult> {
  requireOwnDesign(options.parameters)
  const plan = planLive(connections, options)
  const planned = plan.groups.flatMap((group) => group.connections)
  if (planned.length === 0) {
    throw new OverlayError('INCONCLUSIVE', 'no connection of the capture can be played', {
      cause: plan.leftOut.map(({reason, connections: count}) => `${count}: ${reason}`).join('; ') || 'it has none',
    })
  }

  const programme = new Programme(plan, options)
  await programme.run()
  const rows = compareRows(programme.samples)
  const streams = planned.flatMap(({turns}) => turns.map(({bytes}) => bytes))
  return {
    connections: planned.length,
    leftOut: plan.leftOut,
    bytes: streams.reduce((sum, bytes) => sum + bytes, 0),
    fillerBytes: planned.reduce((sum, {fillerBytes}) => sum + fillerBytes, 0),
    repeats: options.repeats,
    speedUp: options.speedUp,
    concurrency: options.concurrency,
    labRttMs: plan.groups.map(({rttMs}) => rttMs),
    congestionControl: CONGESTION_CONTROL,
    rows,
    explained: explain(programme.samples),
    complete: programme.complete,
    agrees: programme.complete && rows.every(({path, agrees}) => path === 'direct' || agrees === true),
  }
}

/** What is measured is overlay as it is built; the model can also be asked what another design would cost. */
function requireOwnDesign({synAck, pairs, originConnectMs, initialWindow, growth}: ModelParameters): void {
  const other: [boolean, string][] = [
    [synAck !== 'stateless', '--syn-ack withheld'],
    [pairs.length !== 1 || pairs[0] !== 'edge', '--pairs other than edge'],
    [originConnectMs !== null, '--origin-connect'],
    [initialWindow !== 10, '--initial-window'],
    [growth !== 2, '--growth'],
  ]
  for (const [given, flag] of other) {
    if (!given) continue
    throw new OverlayError('USAGE', `${flag} is of the model alone: --live measures overlay as it is`, {
      suggestions: [`leave out ${flag.split(' ')[0]}`, 'leave out --live'],
    })
  }
}

function alone(path: ModelPath): Act {
  return {path, replicationAckMs: null}
}

/** All acts, lab after lab, and what was measured. */
class Programme {
  readonly samples: PathSamples[] = []
  complete = true
  readonly #deadline: number
  readonly #progress: (what: string) => void

  constructor(
    private readonly plan: LivePlan,
    private readonly options: LiveOptions,
  ) {
    this.#deadline = performance.now() + options.deadlineMs
    this.#progress = options.progress ?? (() => {})
  }

  async run(): Promise<void> {
    const {replicationAckMs} = this.options.parameters
    await this.#lab({paired: false, zeroRtt: true}, [alone('direct'), alone('zero-rtt')])
    await this.#lab({paired: false, zeroRtt: false}, [alone('split')])
    const paired = replicationAckMs.map((ms): Act => ({path: 'zero-rtt', replicationAckMs: ms}))
    await this.#lab({paired: true, zeroRtt: true}, paired)
    this.samples.sort((a, b) => order(a) - order(b))
  }

  async #lab(kind: {paired: boolean; zeroRtt: boolean}, acts: readonly Act[]): Promise<void> {
    if (this.#left() <= 0) {
      this.complete = false
      this.samples.push(...acts.map((act) => ({...act, samples: [], errors: []})))
      return
    }

    this.#progress(
      `building a lab ${kind.paired ? 'with a pair' : kind.zeroRtt ? 'with zero-RTT' : 'without zero-RTT'}`,
    )
    const lab = await LiveLab.open({...kind, places: this.options.concurrency})
    try {
      for (const act of acts) {
        const into: PathSamples = {...act, samples: [], errors: []}
        this.samples.push(into)
        if (act.replicationAckMs !== null) await lab.setReplication(act.replicationAckMs)
        await this.#warmUp(lab, act)
        for (const group of this.plan.groups) await this.#group(lab, act, group, into)
      }
    } finally {
      this.#progress('removing the lab')
      await lab.close()
    }
  }

  /**
   * Small conversations over links without delay: an edge takes a moment to make itself known to its gateway, and what
   * runs for the first time in a process takes milliseconds more than later.
   */
  async #warmUp(lab: LiveLab, act: Act): Promise<void> {
    this.#progress(`${nameOf(act)}: warming up`)
    await lab.setLegs({clientEdge: 0, edgeGateway: 0, gatewayOrigin: 0})
    const small: PlannedConnection = {...this.plan.groups[0].connections[0], turns: WARM_UP_TURNS, bytes: warmUpBytes}
    const until = Math.min(this.#deadline, performance.now() + WARM_UP_MS)
    for (let count = 0, good = 0; good < WARM_UPS && performance.now() < until; count++) {
      const outcome = await lab.house.play(small, lab.place(act.path, count), 2000)
      if ('times' in outcome) good++
      else await sleep(100)
    }
  }

  async #group(lab: LiveLab, act: Act, group: PlannedGroup, into: PathSamples): Promise<void> {
    const legs = act.path === 'direct' ? directLegs(group) : group.legs
    await lab.setLegs(legs)
    const waiting = [...group.connections]
    const total = this.plan.groups.reduce((sum, {connections}) => sum + connections.length, 0)
    const worker = async (index: number): Promise<void> => {
      for (;;) {
        const planned = waiting.shift()
        if (!planned) return
        if (this.#left() <= 0) {
          this.complete = false
          return
        }

        const done = into.samples.length + into.errors.length
        this.#progress(`${nameOf(act)}: ${done + 1} of ${total} connections`)
        await this.#play(lab, act, group, planned, index, legs, into)
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
    into: PathSamples,
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
    const measured: Times[] = []
    for (let count = 0; count < this.options.repeats; count++) {
      const outcome = await lab.house.play(
        planned,
        lab.place(act.path, index),
        Math.max(1, Math.min(this.#left(), patience)),
      )
      if ('times' in outcome) {
        measured.push(measuredTimes(outcome.times, planned, oneWay))
        continue
      }

      if (this.#left() <= 0) this.complete = false
      else into.errors.push(outcome.error)
      return
    }

    into.samples.push({connection: captured.id, measured: shortestTimes(measured), modelled})
  }

  /** Of the model beside what is played: the lab's own legs. */
  #parameters(legs: LegRtts): ModelParameters {
    return {...this.options.parameters, legs: {kind: 'absolute', ...legs}, pathStretch: 1, mssBytes: LAB_MSS}
  }

  #left(): number {
    return this.#deadline - performance.now()
  }
}

/**
 * As the model counts. The handshake is over when the origin's program has the connection, or the client's first byte if
 * that comes later, the client's own pause before it taken off.
 */
function measuredTimes(times: PlayTimes, {turns}: PlannedConnection, oneWayMs: number): Times {
  const {connectMs, acceptMs, requestAtOriginMs, firstByteMs, completedMs} = times
  const first = turns.at(0)
  const requestMs = first?.from === 'client' && requestAtOriginMs !== null ? requestAtOriginMs - first.thinkMs : 0
  return {connectMs, handshakeMs: Math.max(acceptMs, requestMs) - oneWayMs, firstByteMs, completedMs}
}

/**
 * Of one connection that was played several times: the shortest of each time, since what else the machine does can only
 * lengthen it.
 *
 * @param all one at least
 */
function shortestTimes(all: readonly Times[]): Times {
  const least = (values: readonly (number | null)[]): number | null => {
    const known = values.flatMap((value) => (value === null ? [] : [value]))
    return known.length === 0 ? null : Math.min(...known)
  }

  return {
    connectMs: Math.min(...all.map(({connectMs}) => connectMs)),
    handshakeMs: Math.min(...all.map(({handshakeMs}) => handshakeMs)),
    firstByteMs: least(all.map(({firstByteMs}) => firstByteMs)),
    completedMs: least(all.map(({completedMs}) => completedMs)),
  }
}

/** The direct path has the measured round trip, however much longer the overlay's is. */
function directLegs({rttMs, legs: {clientEdge, edgeGateway, gatewayOrigin}}: PlannedGroup): LegRtts {
  const whole = clientEdge + edgeGateway + gatewayOrigin
  if (whole === 0) return {clientEdge: 0, edgeGateway: rttMs, gatewayOrigin: 0}
  const scale = rttMs / whole
  return {clientEdge: clientEdge * scale, edgeGateway: edgeGateway * scale, gatewayOrigin: gatewayOrigin * scale}
}

/** direct, split, zero-RTT, then pairs by latency. */
function order({path, replicationAckMs}: Act): number {
  if (path === 'direct') return -3
  if (path === 'split') return -2
  return replicationAckMs ?? -1
}

function nameOf({path, replicationAckMs}: Act): string {
  return replicationAckMs === null ? path : `${path} with a pair at ${replicationAckMs} ms`
}

function warmUpBytes(): ReturnType<PlannedConnection['bytes']> {
  return {client: Buffer.alloc(WARM_UP_TURNS[0].bytes), server: Buffer.alloc(WARM_UP_TURNS[1].bytes)}
}
