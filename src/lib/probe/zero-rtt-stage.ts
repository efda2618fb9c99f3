import {round} from '../bench/percentiles.js'
import type {OpeningCounts} from '../handshake/path-verdict.js'
import type {Stage} from './handshake-stage.js'
import type {ZeroRtt} from './schema.js'
import {median} from './statistics.js'
import type {ProbeKeys} from './probe-keys.js'
import {ordinaryDataExchange, zeroRttExchange, type DataOutcome} from './zero-rtt.js'

/** Exchanges with data, ordinary and zero-RTT ones in turn. */
export interface DataSamples {
  ordinary: DataOutcome[]
  zeroRtt: DataOutcome[]
}

/** `count` of each, so that both see the same path. */
export async function zeroRttStage(stage: Stage, keys: ProbeKeys, count: number): Promise<DataSamples> {
  const samples: DataSamples = {ordinary: [], zeroRtt: []}
  const running: Promise<void>[] = []
  const {port, pacer, abandon, onSample} = stage
  const exchange = async (kind: keyof DataSamples, number: number): Promise<void> => {
    const flow = await port.flow()
    stage.flows.push(flow)
    const outcome = await (kind === 'zeroRtt'
      ? zeroRttExchange(flow, keys, stage)
      : ordinaryDataExchange(flow, keys, stage))
    if (abandon.aborted && outcome.synAckMs === null) return
    samples[kind].push(outcome)
    const rttMs = outcome.acceptedMs === null ? null : round(outcome.acceptedMs)
    onSample({kind: kind === 'zeroRtt' ? 'zero-rtt' : 'ordinary-data', number, answer: describe(outcome), rttMs})
  }

  for (let number = 1; number <= count; number++) {
    for (const kind of ['ordinary', 'zeroRtt'] as const) {
      if (await pacer.turn()) running.push(exchange(kind, number))
    }
  }

  await Promise.all(running)
  return samples
}

function describe({acceptedMs, number, reset}: DataOutcome): string {
  if (acceptedMs !== null) return 'accepted'
  if (number === 'other') return 'another-number'
  if (reset) return 'reset'
  return number === null ? 'silent' : 'data-unanswered'
}

/** True when something that only a holder of the key could send has come: the reply's MAC, or the suggested number. */
export function provesGateway({ordinary, zeroRtt}: DataSamples): boolean {
  return (
    [...ordinary, ...zeroRtt].some(({reply}) => reply === 'genuine') ||
    zeroRtt.some(({number}) => number === 'suggested')
  )
}

/** What an edge would have counted. */
export function openingCounts(outcomes: readonly DataOutcome[]): OpeningCounts {
  const counts: OpeningCounts = {syns: outcomes.length, confirmed: 0, confirmedByData: 0, mismatches: 0, refused: 0}
  for (const {number, acceptedMs, reset} of outcomes) {
    if (number === 'suggested') counts.confirmed++
    else if (acceptedMs !== null && number === null) counts.confirmedByData++
    else if (number === 'other') counts.mismatches++
    else if (reset) counts.refused++
  }

  return counts
}

/** The figures: medians over the exchanges that succeeded. */
export function zeroRttFigures({ordinary, zeroRtt}: DataSamples): ZeroRtt {
  const good = zeroRtt.filter(({acceptedMs, number}) => acceptedMs !== null && number !== 'other')
  const accepted = median(good.flatMap(({acceptedMs}) => acceptedMs ?? []))
  // Without the time that this program took between the SYN/ACK and the data, which a kernel would not take.
  const waited = median(
    ordinary.flatMap(({acceptedMs, dataSentMs, synAckMs}) =>
      acceptedMs === null || dataSentMs === null || synAckMs === null ? [] : acceptedMs - (dataSentMs - synAckMs),
    ),
  )
  const counts = openingCounts(zeroRtt)
  return {
    connectMs: median(zeroRtt.flatMap(({dataSentMs}) => dataSentMs ?? [])),
    realSynAckMs: median(zeroRtt.flatMap(({number, synAckMs}) => (number === 'suggested' ? (synAckMs ?? []) : []))),
    dataAcceptedMs: accepted,
    ordinaryDataAcceptedMs: waited,
    savedMs: accepted === null || waited === null ? null : round(waited - accepted),
    sent: counts.syns,
    confirmed: counts.confirmed + counts.confirmedByData,
    confirmedByData: counts.confirmedByData,
    accepted: good.length,
    otherNumber: counts.mismatches,
    reset: counts.refused,
    ordinary: {sent: ordinary.length, accepted: ordinary.filter(({acceptedMs}) => acceptedMs !== null).length},
    gateway: provesGateway({ordinary, zeroRtt}),
  }
}
