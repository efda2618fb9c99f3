import {ExitCode} from '../errors/index.js'
import type {Handshake, Verdict} from './schema.js'

/** A verdict on a path, with what led to it and what to do about it. */
export interface Judgement {
  verdict: Verdict
  reasons: string[]
  advice: string[]
}

/** What ordinary handshakes tell; null when they succeed, and what else was found decides. */
export function judgeHandshake({answers, sent, refusals}: Handshake): Judgement | null {
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
