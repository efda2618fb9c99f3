import {round} from '../bench/percentiles.js'
import {TcpFlag} from '../wire/tcp-segment.js'
import type {Endpoint} from '../wire/endpoint.js'
import {betweenMs, type Flow, type FlowEvent} from './flow.js'
import type {Stage} from './handshake-stage.js'
import type {ProbeKeys} from './probe-keys.js'
import type {Replication} from './schema.js'
import {summarise} from './statistics.js'
import {dataOutcome, zeroRttExchange, zeroRttOpening, type DataOutcome} from './zero-rtt.js'

/** Health checks, at most, to get the challenge that a gateway puts to an edge that it does not know. */
const CHALLENGE_TRIES = 5

/** What one connection told, ms. */
export interface ReplicationOutcome {
  /** From the SYN to the SYN/ACK: of a gateway the one with the suggested number, which waits for no backup. */
  pathMs: number | null
  /** From the data leaving to the acknowledgement of all of it. */
  ackMs: number | null
  /**
   * `accepted`: a gateway took the connection, and so replicated it; any target acknowledged the data. Or why not. Null
   * without an answer.
   */
  answer: string | null
}

/**
 * When all data up to a sequence number was acknowledged; null before. Pure.
 *
 * @param end the sequence number after its last byte
 * @returns ms from the last segment with data leaving to the first acknowledgement that reaches the end; an RST is none
 */
export function acknowledgedMs(events: readonly FlowEvent[], end: number): number | null {
  let left: bigint | null = null
  for (const event of events) {
    if (event.kind === 'sent' && event.tcp.payloadLength > 0) {
      left = event.timeNs
    } else if (
      event.kind === 'received' &&
      left !== null &&
      (event.tcp.flags & (TcpFlag.ACK | TcpFlag.RST)) === TcpFlag.ACK
    ) {
      const beyond = (event.tcp.acknowledgment - end) >>> 0
      if (beyond < 2 ** 31) return betweenMs(left, event.timeNs)
    }
  }

  return null
}

/**
 * One connection to an origin: a zero-RTT SYN, and after its SYN/ACK the preamble. A gateway replicates what it relays
 * and nothing else, so it has to be a connection that it takes; the origin sees it opened and reset, without a byte.
 *
 * @param challenge what the gateway asked this run of the probe; null when it asked nothing
 */
export async function replicationExchange(
  flow: Flow,
  keys: ProbeKeys,
  {mss, timeoutMs, abandon}: Pick<Stage, 'abandon' | 'mss' | 'timeoutMs'>,
  origin: Endpoint,
  challenge: Buffer | null,
): Promise<ReplicationOutcome> {
  const opening = zeroRttOpening(flow, keys, mss)
  const {bytes, mac} = keys.connection(flow, origin, challenge)
  const expected = {...opening, length: bytes.length, mac}
  const read = (): DataOutcome => dataOutcome(flow.events, expected, keys)
  await flow.send(opening.syn)
  await flow.until(() => (read().number === null && !read().reset ? null : true), timeoutMs, abandon)
  const {number, synAckMs} = read()
  if (number !== 'suggested') {
    await flow.finish(opening.isn + 1)
    return {pathMs: null, ackMs: null, answer: null}
  }

  await flow.send(opening.data(bytes))
  const end = (opening.isn + 1 + bytes.length) >>> 0
  await flow.until(() => (read().answer === undefined && !read().reset ? null : true), timeoutMs, abandon)
  const {answer} = read()
  const ackMs = acknowledgedMs(flow.events, end)
  await flow.finish(ackMs === null ? opening.isn + 1 : end)
  return {
    pathMs: synAckMs,
    ackMs,
    answer: answer === undefined ? null : answer.status === 'refused' ? answer.reason : answer.status,
  }
}

/** `count` connections, begun at the pacer's rate. */
export async function replicationStage(
  stage: Stage,
  count: number,
  connect: (flow: Flow) => Promise<ReplicationOutcome>,
): Promise<ReplicationOutcome[]> {
  const outcomes: ReplicationOutcome[] = []
  const running: Promise<void>[] = []
  const exchange = async (number: number): Promise<void> => {
    const outcome = await connect(await stage.port.flow())
    if (stage.abandon.aborted && outcome.answer === null) return
    outcomes.push(outcome)
    const {ackMs, answer} = outcome
    stage.onSample({
      kind: 'replication',
      number,
      answer: answer ?? 'silent',
      rttMs: ackMs === null ? null : round(ackMs),
    })
  }

  for (let number = 1; number <= count && (await stage.pacer.turn()); number++) running.push(exchange(number))
  await Promise.all(running)
  return outcomes
}

/** What the gateway asks edges that it has not met; null when it asks nothing. */
export async function askChallenge(stage: Stage, keys: ProbeKeys): Promise<Buffer | null> {
  for (let number = 1; number <= CHALLENGE_TRIES && (await stage.pacer.turn()); number++) {
    const {answer} = await zeroRttExchange(await stage.port.flow(), keys, stage)
    stage.onSample({kind: 'challenge', number, answer: answer?.status ?? 'silent', rttMs: null})
    if (answer) return answer.challenge
  }

  return null
}

/** The figures of connections that were accepted, each held against its own SYN/ACK; null without one. Pure. */
export function replicationFigures(
  opening: Replication['opening'],
  outcomes: readonly ReplicationOutcome[],
): Replication | null {
  const good = outcomes.flatMap(({pathMs, ackMs, answer}) =>
    answer !== 'accepted' || pathMs === null || ackMs === null ? [] : [{pathMs, ackMs}],
  )
  const path = summarise(good.map(({pathMs}) => pathMs))
  const ack = summarise(good.map(({ackMs}) => ackMs))
  const added = summarise(good.map(({pathMs, ackMs}) => ackMs - pathMs))
  if (added === null || path === null || ack === null) return null
  const {min, p50, p90, max} = added
  return {
    opening,
    sent: outcomes.length,
    accepted: good.length,
    pathRttMs: path,
    ackMs: ack,
    addedMs: {min, p50, p90, max},
  }
}

/** Why there are no figures, in words. */
export function whyUnmeasured(opening: Replication['opening'], outcomes: readonly ReplicationOutcome[]): string {
  const refused = outcomes.find(({answer}) => answer !== null && answer !== 'accepted')
  if (refused && opening === 'zero-rtt') return `the gateway does not take the connection: ${refused.answer}`
  if (refused) return 'the target resets the connections'
  if (outcomes.some(({pathMs}) => pathMs !== null)) return 'no connection was answered in time'
  return opening === 'zero-rtt'
    ? 'no opening with a suggested number was confirmed'
    : 'no SYN was answered by a SYN/ACK in time'
}
