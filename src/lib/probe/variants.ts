import {TcpFlag, type TcpOptions, type TcpSegment} from '../wire/tcp-segment.js'
import type {Flow, Part} from './flow.js'
import type {Stage} from './handshake-stage.js'
import {synExchange} from './ordinary.js'
import {ordinarySyn, random32, tsClock, WINDOW_SCALE} from './syn.js'
import type {ProbeKeys} from './probe-keys.js'
import {findSynAck, zeroRttExchange, type OpeningOrder} from './zero-rtt.js'

/** What one try of a variant came to. */
export interface Try {
  /** It was answered as it should be; null where the target says nothing either way and only an echo can tell. */
  answered: boolean | null
  detail: string | null
}

/** One thing that a path may or may not tolerate. */
export interface Variant {
  name: string
  /** In words. */
  what: string
  needsKey: boolean
  /** Of the packets of a try, the one whose arrival is the question. */
  isTheOne(tcp: TcpSegment): boolean
  run(flow: Flow, stage: Stage, keys: ProbeKeys | null): Promise<Try>
}

const isSyn = (tcp: TcpSegment): boolean => (tcp.flags & TcpFlag.SYN) !== 0
const isData = (tcp: TcpSegment): boolean => tcp.payloadLength > 0
const isBareAck = (tcp: TcpSegment): boolean => tcp.flags === TcpFlag.ACK && tcp.payloadLength === 0

/** Bytes of data in a SYN that asks whether the path lets such SYNs pass; a server without Fast Open ignores them. */
const SYN_DATA = Buffer.from('overlay probe')

/** A SYN that is ordinary but for `change`; answered when a SYN/ACK comes. */
function syn(
  name: string,
  what: string,
  change: (part: Part) => Partial<Part>,
  detail: (synAck: TcpSegment) => string | null = () => null,
): Variant {
  return {
    name,
    what,
    needsKey: false,
    isTheOne: isSyn,
    async run(flow, stage) {
      const part = ordinarySyn(random32(), stage.mss)
      const {synAck} = await synExchange(flow, {...part, ...change(part)}, stage.timeoutMs, stage.abandon)
      return {answered: synAck !== null, detail: synAck && detail(synAck)}
    },
  }
}

/** A SYN with these options and no others. */
const options = (name: string, what: string, make: (mss: number) => TcpOptions): Variant =>
  syn(name, what, (part) => ({options: make(part.options!.maximumSegmentSize!)}))

/** A zero-RTT opening in this order. @param answeredByTarget false where only an echo can tell */
function opening(
  name: string,
  what: string,
  order: OpeningOrder,
  isTheOne: Variant['isTheOne'],
  answeredByTarget = true,
): Variant {
  return {
    name,
    what,
    needsKey: true,
    isTheOne,
    async run(flow, stage, keys) {
      const outcome = await zeroRttExchange(flow, keys!, stage, order)
      const {number, acceptedMs} = outcome
      const alone = order === 'data-without-syn' && acceptedMs !== null
      return {
        answered: answeredByTarget ? acceptedMs !== null : null,
        detail:
          number === 'other' ? 'the SYN/ACK had another number' : alone ? 'the data alone made the connection' : null,
      }
    },
  }
}

/**
 * A SYN with a cookie that the target gave just before, and data (RFC 7413 section 4.2.2). The data is the preamble of a
 * health check, since a server that takes the cookie hands it to its program.
 */
const fastOpenWithCookie: Variant = {
  name: 'fast-open-cookie',
  what: 'a SYN with the Fast Open cookie of the target, and data',
  needsKey: true,
  isTheOne: (tcp) => isSyn(tcp) && isData(tcp),
  async run(flow, stage, keys) {
    const {timeoutMs, mss, abandon} = stage
    const request = ordinarySyn(random32(), mss)
    await flow.send({...request, options: {...request.options, fastOpenCookie: new Uint8Array()}})
    const synAck = await flow.until((events) => findSynAck(events, request.sequence), timeoutMs, abandon)
    const cookie = synAck?.options.fastOpenCookie
    if (!cookie?.length) {
      await flow.finish(request.sequence + 1)
      return {answered: null, detail: synAck ? 'the target gives no cookie' : 'no answer to the request for a cookie'}
    }

    // The same port again: a half-open connection must not stand in its way.
    await flow.reset(request.sequence + 1)
    const part = ordinarySyn(random32(), mss)
    const payload = keys!.healthCheck(flow).bytes
    const open: Part = {...part, options: {...part.options, fastOpenCookie: cookie}, payload}
    const outcome = await synExchange(flow, open, timeoutMs, abandon)
    const taken = outcome.synAck?.acknowledgment === (part.sequence + 1 + payload.length) >>> 0
    const detail = taken
      ? 'the data was acknowledged with the SYN'
      : 'the cookie was given, and the data not acknowledged'
    return {answered: outcome.synAck !== null, detail}
  },
}

/** All variants, the control first. */
export const VARIANTS: readonly Variant[] = [
  syn('syn', 'the SYN that Linux sends', () => ({})),
  syn('syn-ack-field', 'a number in the ACK field of the SYN', () => ({acknowledgment: random32() || 1})),
  syn('timestamp-echo', 'a TSecr in the SYN', (part) => ({
    options: {...part.options, timestamps: {value: tsClock(), echo: random32() || 1}},
  })),
  options('no-options', 'a SYN without options', () => ({})),
  options('mss', 'a SYN with MSS alone', (mss) => ({maximumSegmentSize: mss})),
  options('sack', 'a SYN with SACK permitted alone', () => ({sackPermitted: true})),
  options('timestamps', 'a SYN with timestamps alone', () => ({timestamps: {value: tsClock(), echo: 0}})),
  options('window-scale', 'a SYN with window scale alone', () => ({windowScale: WINDOW_SCALE})),
  syn(
    'ecn',
    'a SYN that asks for ECN',
    () => ({flags: TcpFlag.SYN | TcpFlag.ECE | TcpFlag.CWR}),
    ({flags}) => (flags & TcpFlag.ECE ? 'the target takes it' : 'the target does not take it'),
  ),
  syn(
    'fast-open',
    'a SYN that asks for a Fast Open cookie',
    (part) => ({options: {...part.options, fastOpenCookie: new Uint8Array()}}),
    (synAck) =>
      synAck.options.fastOpenCookie?.length
        ? `the target gives a cookie of ${synAck.options.fastOpenCookie.length} bytes`
        : 'the target gives no cookie',
  ),
  fastOpenWithCookie,
  syn('data', 'a SYN with data and no cookie', () => ({payload: SYN_DATA})),
  opening('early-data', 'data between the SYN and the SYN/ACK', 'syn-ack-data', isData),
  opening('early-ack', 'a bare ACK between the SYN and the SYN/ACK', 'syn-ack', isBareAck, false),
  opening('data-before-syn', 'data 20 ms before the SYN', 'data-then-syn', isData),
  opening(
    'data-without-syn',
    'a SYN lost on purpose: data of an opening whose SYN never leaves',
    'data-without-syn',
    isData,
  ),
  opening(
    'data-without-ack',
    "data without the ACK flag, with the SYN's options",
    'syn-then-flagless-data',
    isData,
    false,
  ),
]
