import {randomInt} from 'node:crypto'

import {TcpFlag, type TcpOptions, type TcpSegment} from '../wire/tcp-segment.js'
import type {FlowEvent, Part} from './flow.js'
import {betweenMs, sentAt} from './flow.js'

/** Shift count that Linux offers with the buffers of a lab or a server; PROTOCOL 1.1 leaves it free. */
export const WINDOW_SCALE = 10

/** A random 32-bit number. */
export const random32 = (): number => randomInt(2 ** 32)

/**
 * A window that is as good as a name: of the fields that nothing on the way has a reason to change, the one with the most
 * bits. At least 1024, so that no receiver takes it for closed.
 */
export const randomWindow = (): number => randomInt(1024, 65_536)

/** A millisecond clock of 32 bits, for timestamps. */
export const tsClock = (): number => Math.floor(performance.now()) >>> 0

/**
 * The options of a SYN as Linux sends it.
 *
 * @param mss bytes
 * @param echo TSecr, 0 in an ordinary SYN
 */
export function linuxOptions(mss: number, value: number, echo = 0): TcpOptions {
  return {maximumSegmentSize: mss, sackPermitted: true, timestamps: {value, echo}, windowScale: WINDOW_SCALE}
}

/** What an ordinary SYN is made of. @param isn its sequence number */
export function ordinarySyn(isn: number, mss: number): Part {
  return {
    sequence: isn,
    acknowledgment: 0,
    flags: TcpFlag.SYN,
    window: randomWindow(),
    options: linuxOptions(mss, tsClock()),
  }
}

/** What came of a SYN. */
export interface SynOutcome {
  answer: 'filtered' | 'reset' | 'silent' | 'syn-ack' | 'too-big' | 'unreachable'
  /** From the SYN leaving to the answer arriving, by the capture's timestamps; null without an answer of the target's. */
  rttMs: number | null
  synAck: TcpSegment | null
  /** Hop limit with which the answer arrived; null without one. */
  hopLimit: number | null
  /** Who refused it, and the ICMP type and code or the words of the kernel. */
  refusal: {from: string | null; what: string} | null
}

const SILENT: SynOutcome = {answer: 'silent', rttMs: null, synAck: null, hopLimit: null, refusal: null}

/**
 * What came of the SYN with this number so far; null when nothing has yet. An answer is one that acknowledges it: a
 * SYN/ACK or RST for another number is an older connection's, or forged (RFC 9293 section 3.10.7.3).
 *
 * @param length bytes of data that the SYN carried
 */
export function outcomeOf(events: readonly FlowEvent[], isn: number, length = 0): SynOutcome | null {
  const left = sentAt(events, (tcp) => (tcp.flags & TcpFlag.SYN) !== 0 && tcp.sequence === isn)
  for (const event of events) {
    if (event.kind === 'refused')
      return {...SILENT, answer: refusedAs(event.why), refusal: {from: null, what: event.why}}
    if (event.kind === 'icmp') {
      const {error} = event
      if (error.quoted.sequence !== isn || error.problem === 'hop-limit' || error.problem === 'other') continue
      const what = `ICMP type ${error.type}, code ${error.code}`
      return {...SILENT, answer: error.problem, refusal: {from: event.from, what}}
    }

    if (event.kind !== 'received' || left === null) continue
    const {tcp, ip} = event
    const acknowledged = (tcp.acknowledgment - isn - 1) >>> 0
    if ((tcp.flags & TcpFlag.ACK) === 0 || acknowledged > length) continue
    const answer = tcp.flags & TcpFlag.RST ? 'reset' : tcp.flags & TcpFlag.SYN ? 'syn-ack' : null
    if (answer === null) continue
    return {
      answer,
      rttMs: betweenMs(left, event.timeNs),
      synAck: answer === 'syn-ack' ? tcp : null,
      hopLimit: ip.hopLimit,
      refusal: null,
    }
  }

  return null
}

/** The kernel's own refusals: no route, an output rule, a packet larger than the interface takes. */
function refusedAs(why: string): 'filtered' | 'too-big' | 'unreachable' {
  if (/too long/i.test(why)) return 'too-big'
  return /not permitted/i.test(why) ? 'filtered' : 'unreachable'
}

export const silentOutcome = (): SynOutcome => ({...SILENT})
