import {OverlayError} from '../errors/index.js'
import {TcpFlag} from '../wire/tcp-segment.js'
import type {Flow} from './flow.js'
import type {Stage} from './handshake-stage.js'
import {afterSynAck} from './ordinary.js'
import {acknowledgedMs, type ReplicationOutcome} from './replication-stage.js'
import {ordinarySyn, outcomeOf, random32} from './syn.js'

/** Two segments need two bytes; each fits the least packet that IPv6 carries (1280 bytes). */
const FEWEST_BYTES = 2
const MOST_BYTES = 1000

/**
 * What connections to any target say.
 *
 * @throws OverlayError USAGE
 */
export function parseReplicationData(text: string): Buffer {
  const data = Buffer.from(text)
  if (data.length >= FEWEST_BYTES && data.length <= MOST_BYTES) return data
  throw new OverlayError(
    'USAGE',
    `--replication-data: ${data.length} bytes, and ${FEWEST_BYTES} to ${MOST_BYTES} are sent`,
    {suggestions: [String.raw`an empty line, to a web server no request, is $'\r\n' in bash`]},
  )
}

/**
 * One connection to any target: a handshake that is waited for, data, and an RST when it is acknowledged.
 *
 * The data goes in two segments, the second first. What comes in order a receiver may acknowledge later (RFC 9293 section
 * 3.8.6.3 allows 500 ms; Linux takes TCP_DELACK_MIN to _MAX, 40 to 200, though not for a connection's first segments);
 * what closes a gap it should acknowledge at once (RFC 5681 section 4.2). A bare ACK goes ahead of both: of data from behind the first byte a pair
 * makes no connection.
 *
 * @param data at least 2 bytes
 */
export async function ordinaryReplicationExchange(
  flow: Flow,
  {mss, timeoutMs, abandon}: Pick<Stage, 'abandon' | 'mss' | 'timeoutMs'>,
  data: Buffer,
): Promise<ReplicationOutcome> {
  const syn = ordinarySyn(random32(), mss)
  await flow.send(syn)
  const opened = await flow.until((events) => outcomeOf(events, syn.sequence), timeoutMs, abandon)
  const synAck = opened?.synAck
  if (!synAck) {
    const reset = opened?.answer === 'reset'
    if (reset) flow.close()
    else await flow.finish(syn.sequence + 1)
    return {pathMs: null, ackMs: null, answer: reset ? 'reset' : null}
  }

  const half = data.length >> 1
  await flow.send(afterSynAck(syn.sequence, synAck, 0))
  await flow.send(afterSynAck(syn.sequence, synAck, half, data.subarray(half)))
  await flow.send(afterSynAck(syn.sequence, synAck, 0, data.subarray(0, half)))
  const end = (syn.sequence + 1 + data.length) >>> 0
  const read = (): {ackMs: number | null; reset: boolean} => ({
    ackMs: acknowledgedMs(flow.events, end),
    reset: flow.events.some((event) => event.kind === 'received' && (event.tcp.flags & TcpFlag.RST) !== 0),
  })
  await flow.until(() => (read().ackMs === null && !read().reset ? null : true), timeoutMs, abandon)
  const {ackMs, reset} = read()
  await flow.finish(ackMs === null ? syn.sequence + 1 : end)
  return {pathMs: opened.rttMs, ackMs, answer: ackMs === null ? (reset ? 'reset' : null) : 'accepted'}
}
