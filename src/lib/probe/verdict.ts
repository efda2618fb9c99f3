import {ExitCode} from '../errors/index.js'
import {judgeOpenings, type Judgement, type OpeningCounts} from '../handshake/path-verdict.js'
import type {Handshake, Verdict} from './schema.js'

/**
 * What ordinary handshakes tell; null when they succeed, and what else was found decides.
 *
 * @param deadNextHop whom the kernel asks for in vain, so that nothing left this host; null when it is there
 */
export function judgeHandshake(
  {answers, sent, refusals}: Handshake,
  deadNextHop: string | null = null,
): Judgement | null {
  if (answers.synAck > 0) return null
  if (answers.reset > 0) {
    return {
      verdict: 'closed',
      reasons: [`${answers.reset} of ${sent} SYNs were answered by an RST: nobody listens on that port`],
      advice: ['start the service, or probe another port'],
    }
  }

  const said = refusals.map(({from, what}) => (from === null ? what : `${what} from ${from}`))
  if (answers.unreachable > 0) {
    return {
      verdict: 'unreachable',
      reasons: [`${answers.unreachable} of ${sent} SYNs did not reach the address: ${said.join('; ')}`],
      advice: ['look at the routes and at whether the host is up'],
    }
  }

  if (answers.filtered > 0) {
    return {
      verdict: 'filtered',
      reasons: [`${answers.filtered} of ${sent} SYNs were refused: ${said.join('; ')}`],
      advice: ['look at the filters of this host, of the path and of the target'],
    }
  }

  if (deadNextHop !== null) {
    const asked = deadNextHop.includes(':') ? 'neighbour discovery' : 'ARP'
    return {
      verdict: 'unreachable',
      reasons: [`none of ${sent} SYNs was answered, and the next hop ${deadNextHop} does not answer ${asked}`],
      advice: ['look at whether that host is up, and at the route that leads there'],
    }
  }

  return {
    verdict: 'filtered',
    reasons: [`none of ${sent} SYNs was answered, nor refused by an ICMP error`],
    advice: ['something drops the SYNs or their answers without a word: look at filters, or at whether the host is up'],
  }
}

/** Of several targets, the worst: blocked before what is not there, and that before success. */
export function exitCodeOf(reports: readonly {verdict: Verdict}[]): ExitCode {
  const verdicts = new Set(reports.map(({verdict}) => verdict))
  if (verdicts.has('blocked')) return ExitCode.Negative
  const absent = ['closed', 'filtered', 'unreachable'] as const
  return absent.some((verdict) => verdicts.has(verdict)) ? ExitCode.Unreachable : ExitCode.Done
}

/**
 * Of a path whose ordinary handshakes succeed.
 *
 * @param counts of zero-RTT openings; null when there is no key to make them with
 * @param accepted openings whose data was acknowledged without a repetition
 * @param gateway a holder of the key answered
 */
export function judgeZeroRtt(
  {answers, sent}: Handshake,
  counts: OpeningCounts | null,
  accepted: number,
  gateway: boolean,
): Judgement {
  const answered = `${answers.synAck} of ${sent} SYNs were answered by a SYN/ACK`
  if (counts === null || counts.syns === 0) {
    return {
      verdict: 'ordinary',
      reasons: [answered, 'no key file was given, so zero-RTT was not tried'],
      advice: ['give --key-file to try zero-RTT against an overlay gateway'],
    }
  }

  const openings = judgeOpenings(counts, gateway)!
  if (openings.verdict === 'zero-rtt' && accepted === 0) {
    return {
      verdict: 'blocked',
      reasons: [...openings.reasons, 'data sent before the SYN/ACK was never acknowledged'],
      advice: ['something on the way drops data that comes before the SYN/ACK: a stateful filter, most often'],
    }
  }

  // The port answers ordinary handshakes: openings that are reset or not answered say something of zero-RTT alone.
  const absent = openings.verdict === 'closed' || openings.verdict === 'filtered'
  const verdict = absent ? (gateway ? 'blocked' : 'ordinary') : openings.verdict
  return {...openings, verdict, reasons: [answered, ...openings.reasons]}
}
