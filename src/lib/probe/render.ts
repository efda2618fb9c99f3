import {textTable} from '../cli/table.js'
import {formatEndpoint} from '../wire/endpoint.js'
import type {ProbeReport, TargetReport, ZeroRtt} from './schema.js'

const right = (title: string) => ({title, align: 'right' as const})
const ms = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(3))

/** The report as text. */
export function renderProbe(report: ProbeReport): string {
  const reports = 'targets' in report ? report.targets : [report]
  return [
    renderHandshakes(reports),
    'ms from the SYN leaving this host to the SYN/ACK or RST arriving, by packet timestamps; loss: SYNs without any answer',
    '',
    ...reports.flatMap((one) => renderTarget(one)),
  ]
    .join('\n')
    .trimEnd()
}

function renderHandshakes(reports: readonly TargetReport[]): string {
  return textTable(
    [
      {title: 'target'},
      right('loss %'),
      right('sent'),
      ...['last', 'avg', 'best', 'worst', 'stdev'].map((title) => right(title)),
    ],
    reports.map(({target, address, port, handshake: {lossPercent, sent, rttMs}}) => [
      target === formatEndpoint({address, port}) ? target : `${target} (${address})`,
      lossPercent.toFixed(1),
      sent,
      ms(rttMs?.last),
      ms(rttMs?.mean),
      ms(rttMs?.min),
      ms(rttMs?.max),
      ms(rttMs?.stdev),
    ]),
  )
}

function renderTarget(report: TargetReport): string[] {
  return [
    `${report.target}: ${report.verdict}${report.interrupted ? ' (ended early)' : ''}`,
    ...report.reasons.map((reason) => `  because: ${reason}`),
    ...report.advice.map((advice) => `  try: ${advice}`),
    ...(report.zeroRtt ? renderZeroRtt(report.zeroRtt) : []),
    '',
  ]
}

function renderZeroRtt(zeroRtt: ZeroRtt): string[] {
  const {connectMs, realSynAckMs, dataAcceptedMs, ordinaryDataAcceptedMs, savedMs} = zeroRtt
  const line = (what: string, value: number | null): string => `  ${ms(value ?? undefined).padStart(9)} ms  ${what}`
  return [
    `  zero-RTT, medians after the SYN left; data accepted in ${zeroRtt.accepted} of ${zeroRtt.sent} openings:`,
    line('first data left', connectMs),
    line('SYN/ACK with the suggested number arrived', realSynAckMs),
    line('acknowledgement of the data arrived', dataAcceptedMs),
    line('the same after an ordinary handshake', ordinaryDataAcceptedMs),
    line('saved', savedMs),
  ]
}
