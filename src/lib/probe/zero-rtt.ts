import {dummySynAck} from '../handshake/dummy-syn-ack.js'
import {dummyTsval, encodeOptions, flowHash, suggestedIsn, timeBucket} from '../handshake/suggested-isn.js'
import {taiSeconds} from '../kernel/boot-time.js'
import {REPLY_LENGTH} from '../wire/reply.js'
import {TcpFlag} from '../wire/tcp-segment.js'
import {betweenMs, sentAt, type Flow, type FlowEvent, type Part} from './flow.js'
import {afterSynAck} from './ordinary.js'
import {readAnswer, type ProbeKeys, type ReplyAnswer} from './probe-keys.js'
import {linuxOptions, random32, randomWindow, tsClock, WINDOW_SCALE} from './syn.js'

/** A zero-RTT opening: what leaves, from the edge's own number to its first data. */
export interface Opening {
  isn: number
  suggested: number
  syn: Part
  /** The bare ACK that an edge's TCP answers the dummy with. */
  ack: Part
  data(payload: Uint8Array): Part
}

/** Makes an opening as docs/PROTOCOL.md 1.3 to 1.5 has it; the dummy SYN/ACK is made and read here, and goes nowhere. */
export function zeroRttOpening({local, remote}: Flow, keys: ProbeKeys, mss: number): Opening {
  const isn = random32()
  const now = tsClock()
  const bits = encodeOptions({windowScale: WINDOW_SCALE, mss, sackPermitted: true})
  const hash = flowHash(keys.handshake, local, remote, bits, timeBucket(taiSeconds()))
  const suggested = suggestedIsn(hash, isn)
  const syn: Part = {
    sequence: isn,
    acknowledgment: suggested,
    flags: TcpFlag.SYN,
    window: randomWindow(),
    options: linuxOptions(mss, now, dummyTsval(now, bits)),
  }
  const dummy = dummySynAck({...syn, source: local, destination: remote}, null)
  const segment = (flags: number, payload?: Uint8Array): Part => ({
    sequence: dummy.acknowledgment,
    acknowledgment: (dummy.sequence + 1) >>> 0,
    flags,
    window: randomWindow(),
    options: {timestamps: {value: tsClock(), echo: dummy.options!.timestamps!.value}},
    payload,
  })
  return {
    isn,
    suggested,
    syn,
    ack: segment(TcpFlag.ACK),
    data: (payload) => segment(TcpFlag.ACK | TcpFlag.PSH, payload),
  }
}

/** What came of a SYN and data; times in ms after the SYN left, or the data where there was no SYN. */
export interface DataOutcome {
  /** The first data leaving. */
  dataSentMs: number | null
  synAckMs: number | null
  /** The SYN/ACK's own number is the suggested one. */
  number: 'other' | 'suggested' | null
  /** The first acknowledgement of all the data. */
  acceptedMs: number | null
  /** Whether the reply's MAC is of a holder of the key. */
  reply: 'foreign' | 'genuine' | null
  /** Of a genuine reply. */
  answer?: ReplyAnswer
  reset: boolean
}

/** What to read an outcome by. */
export interface Expected {
  isn: number
  suggested: number | null
  /** Bytes of data. */
  length: number
  /** Of the preamble; null when the data is none. */
  mac: Buffer | null
}

/** What came so far, by the events of a flow. Pure. */
export function dataOutcome(events: readonly FlowEvent[], expected: Expected, keys: ProbeKeys | null): DataOutcome {
  const {isn, suggested, length, mac} = expected
  const synLeft = sentAt(events, (tcp) => (tcp.flags & TcpFlag.SYN) !== 0)
  const dataLeft = sentAt(events, (tcp) => tcp.payloadLength > 0)
  const zero = synLeft ?? dataLeft
  const outcome: DataOutcome = {
    dataSentMs: zero === null || dataLeft === null ? null : betweenMs(zero, dataLeft),
    synAckMs: null,
    number: null,
    acceptedMs: null,
    reply: null,
    reset: false,
  }
  if (zero === null) return outcome
  let peerIsn = suggested
  const stream: Buffer = Buffer.alloc(REPLY_LENGTH)
  let filled = 0
  for (const event of events) {
    if (event.kind !== 'received') continue
    const {tcp, timeNs} = event
    if (tcp.flags & TcpFlag.RST) {
      outcome.reset = true
      continue
    }

    if (tcp.flags & TcpFlag.SYN) {
      if (outcome.synAckMs !== null || (tcp.acknowledgment - isn - 1) >>> 0 > length) continue
      outcome.synAckMs = betweenMs(zero, timeNs)
      outcome.number = tcp.sequence === suggested ? 'suggested' : 'other'
      peerIsn = tcp.sequence
    }

    const wanted = (isn + 1 + length) >>> 0
    if (length > 0 && tcp.flags & TcpFlag.ACK && tcp.acknowledgment === wanted) {
      outcome.acceptedMs ??= betweenMs(zero, timeNs)
    }

    // The reply stands at the start of the peer's stream; a segment that continues it is taken, any other is not.
    if (peerIsn !== null && tcp.payload.length > 0 && (tcp.sequence - peerIsn - 1) >>> 0 === filled) {
      const part = tcp.payload.subarray(0, REPLY_LENGTH - filled)
      stream.set(part, filled)
      filled += part.length
    }
  }

  if (filled === REPLY_LENGTH && keys && mac) {
    const answer = readAnswer(stream, keys, mac)
    outcome.reply = answer ? 'genuine' : 'foreign'
    if (answer) outcome.answer = answer
  }

  return outcome
}

/** How an opening is sent, to see what a path tolerates. */
export type OpeningOrder =
  /** As an edge's host does: SYN, the ACK of the dummy, data. */
  | 'syn-ack-data'
  /** SYN and the bare ACK; no data. */
  | 'syn-ack'
  | 'data-then-syn'
  | 'data-without-syn'
  /** SYN, then data without the ACK flag that carries the SYN's options, as the patents word it. */
  | 'syn-then-flagless-data'

/** How much later the SYN comes where the data goes first, ms. */
const SYN_LATER_MS = 20
/** How much longer than its ACK the reply to a preamble may take, ms. */
const REPLY_LATER_MS = 100

/**
 * One zero-RTT exchange and its RST.
 *
 * @param settings.dataBytes length of the data: the preamble, then zeros, which the gateway does not read; the preamble
 * alone when not given
 */
export async function zeroRttExchange(
  flow: Flow,
  keys: ProbeKeys,
  {mss, timeoutMs, abandon, dataBytes}: {mss: number; timeoutMs: number; abandon?: AbortSignal; dataBytes?: number},
  order: OpeningOrder = 'syn-ack-data',
): Promise<DataOutcome> {
  const opening = zeroRttOpening(flow, keys, mss)
  const {bytes: preamble, mac} = keys.healthCheck(flow)
  const bytes = Buffer.concat([preamble], Math.max(preamble.length, dataBytes ?? 0))
  const length = order === 'syn-ack' ? 0 : bytes.length
  const expected: Expected = {...opening, length, mac}
  if (order === 'data-then-syn') {
    await flow.send(opening.data(bytes))
    await flow.until(() => null, SYN_LATER_MS, abandon)
  }

  if (order !== 'data-without-syn') await flow.send(opening.syn)
  if (order === 'syn-ack-data' || order === 'syn-ack') await flow.send(opening.ack)
  if (order === 'syn-ack-data' || order === 'data-without-syn') await flow.send(opening.data(bytes))
  if (order === 'syn-then-flagless-data') {
    await flow.send({...opening.data(bytes), flags: TcpFlag.PSH, options: opening.syn.options})
  }

  const wantsSynAck = order !== 'data-without-syn'
  const done = (outcome: DataOutcome): boolean =>
    outcome.reset ||
    outcome.number === 'other' ||
    ((!wantsSynAck || outcome.synAckMs !== null) && (length === 0 || outcome.acceptedMs !== null))
  return settle(flow, expected, keys, done, timeoutMs, abandon)
}

/** The same with a handshake that is waited for: SYN, SYN/ACK, then the ACK that carries data. */
export async function ordinaryDataExchange(
  flow: Flow,
  keys: ProbeKeys,
  {mss, timeoutMs, abandon}: {mss: number; timeoutMs: number; abandon?: AbortSignal},
): Promise<DataOutcome> {
  const isn = random32()
  const {bytes, mac} = keys.healthCheck(flow)
  await flow.send({
    sequence: isn,
    acknowledgment: 0,
    flags: TcpFlag.SYN,
    window: randomWindow(),
    options: linuxOptions(mss, tsClock()),
  })
  const synAck = await flow.until((events) => findSynAck(events, isn), timeoutMs, abandon)
  if (synAck) await flow.send(afterSynAck(isn, synAck, 0, bytes))
  const expected: Expected = {isn, suggested: null, length: bytes.length, mac}
  const done = (outcome: DataOutcome): boolean => outcome.reset || outcome.acceptedMs !== null
  return settle(flow, expected, keys, done, synAck ? timeoutMs : 0, abandon)
}

/** The SYN/ACK that answers this number; null before it. */
export function findSynAck(events: readonly FlowEvent[], isn: number) {
  for (const event of events) {
    if (event.kind !== 'received') continue
    const {flags, acknowledgment} = event.tcp
    if ((flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) !== (TcpFlag.SYN | TcpFlag.ACK)) continue
    if (acknowledgment === (isn + 1) >>> 0) return event.tcp
  }

  return null
}

async function settle(
  flow: Flow,
  expected: Expected,
  keys: ProbeKeys,
  done: (outcome: DataOutcome) => boolean,
  timeoutMs: number,
  abandon?: AbortSignal,
): Promise<DataOutcome> {
  const now = (): DataOutcome => dataOutcome(flow.events, expected, keys)
  await flow.until(() => (done(now()) ? true : null), timeoutMs, abandon)
  if (now().acceptedMs !== null) await flow.until(() => (now().reply === null ? null : true), REPLY_LATER_MS, abandon)
  const outcome = now()
  const next = expected.isn + 1 + (outcome.acceptedMs === null ? 0 : expected.length)
  await flow.finish(next)
  return outcome
}
