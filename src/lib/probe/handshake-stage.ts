import type {Flow} from './flow.js'
import type {PacketPort} from './packet-port.js'
import type {Pacer} from './pacer.js'
import {synExchange} from './ordinary.js'
import type {Handshake} from './schema.js'
import {summarise} from './statistics.js'
import {ordinarySyn, random32, type SynOutcome} from './syn.js'
import {round} from '../bench/percentiles.js'

/** What exchanges share. */
export interface Stage {
  port: PacketPort
  pacer: Pacer
  /** How long an answer may take, ms. */
  timeoutMs: number
  /** MSS of a packet that fills the interface, bytes. */
  mss: number
  abandon: AbortSignal
  /** Connections whose packets are compared with what an echo tells. */
  flows: Flow[]
  /** Called for each exchange that has ended. */
  onSample(sample: Sample): void
}

/** One exchange, as `--stream` prints it. */
export interface Sample {
  kind: string
  /** From 1, of its kind. */
  number: number
  answer: string
  rttMs: number | null
}

/** `count` ordinary exchanges at the pacer's rate, several under way at once where answers take longer than an interval. */
export async function handshakeStage(stage: Stage, count: number): Promise<SynOutcome[]> {
  const running: Promise<void>[] = []
  const outcomes: SynOutcome[] = []
  for (let number = 1; number <= count && (await stage.pacer.turn()); number++) {
    const flow = await stage.port.flow()
    const exchange = async (): Promise<void> => {
      const outcome = await synExchange(flow, ordinarySyn(random32(), stage.mss), stage.timeoutMs, stage.abandon)
      if (stage.abandon.aborted && outcome.answer === 'silent') return
      outcomes.push(outcome)
      const rttMs = outcome.rttMs === null ? null : round(outcome.rttMs)
      stage.onSample({kind: 'handshake', number, answer: outcome.answer, rttMs})
    }

    running.push(exchange())
  }

  await Promise.all(running)
  return outcomes
}

/** The figures of ordinary exchanges. */
export function handshakeFigures(outcomes: readonly SynOutcome[]): Handshake {
  const answers = {synAck: 0, reset: 0, filtered: 0, unreachable: 0, silent: 0}
  const refusals = new Map<string, {from: string | null; what: string}>()
  for (const {answer, refusal} of outcomes) {
    if (answer === 'syn-ack') answers.synAck++
    else if (answer === 'too-big') answers.filtered++
    else answers[answer]++
    if (refusal) refusals.set(`${refusal.from} ${refusal.what}`, refusal)
  }

  const sent = outcomes.length
  return {
    rttMs: summarise(outcomes.flatMap(({rttMs}) => rttMs ?? [])),
    sent,
    received: answers.synAck + answers.reset,
    lossPercent: sent === 0 ? 0 : Math.round((10_000 * answers.silent) / sent) / 100,
    answers,
    refusals: [...refusals.values()],
  }
}
