import {textTable} from '../cli/table.js'
import {formatEndpoint} from '../wire/endpoint.js'
import type {Hop, ProbeReport, Replication, SegmentSizes, TargetReport, VariantResult, ZeroRtt} from './schema.js'

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
    ...(report.replication ? renderReplication(report.replication) : []),
    ...renderConditions(report),
    ...(report.variants ? ['', renderVariants(report.variants)] : []),
    ...(report.segmentSizes ? renderSizes(report.segmentSizes) : []),
    ...(report.path ? ['', renderPath(report.path)] : []),
    '',
  ]
}

const line = (what: string, value: number | null): string => `  ${ms(value ?? undefined).padStart(9)} ms  ${what}`

function renderZeroRtt(zeroRtt: ZeroRtt): string[] {
  const {connectMs, realSynAckMs, dataAcceptedMs, ordinaryDataAcceptedMs, savedMs} = zeroRtt
  return [
    `  zero-RTT, medians after the SYN left; data accepted in ${zeroRtt.accepted} of ${zeroRtt.sent} openings:`,
    line('first data left', connectMs),
    line('SYN/ACK with the suggested number arrived', realSynAckMs),
    line('acknowledgement of the data arrived', dataAcceptedMs),
    line('the same after an ordinary handshake', ordinaryDataAcceptedMs),
    line('saved', savedMs),
  ]
}

function renderReplication({opening, sent, accepted, pathRttMs, ackMs, addedMs}: Replication): string[] {
  const zeroRtt = opening === 'zero-rtt'
  return [
    `  replication, medians of ${accepted} of ${sent} connections${zeroRtt ? ' to the origin' : ' with data'}:`,
    line(`SYN/ACK ${zeroRtt ? 'with the suggested number ' : ''}arrived, after the SYN: the path`, pathRttMs.p50),
    line('acknowledgement of the data arrived, after the data', ackMs.p50),
    line(`what a pair adds (p90 ${ms(addedMs.p90)}, worst ${ms(addedMs.max)}); near 0 without one`, addedMs.p50),
  ]
}

function renderConditions({conditions, echo}: TargetReport): string[] {
  const lines = conditions.map(({name, what, sent, arrived, direction, hop}) => {
    const values = sent === null && arrived === null ? '' : ` (${sent ?? 'none'} became ${arrived ?? 'none'})`
    const where = hop ? `, first seen at hop ${hop.ttl}, ${hop.address}` : ''
    return `  condition ${name}${direction === null ? '' : `, ${direction}`}: ${what}${values}${where}`
  })
  if (echo) lines.push(`  the gateway's echo saw ${echo.packets} packets, from ${echo.seenAs}`)
  return lines
}

const yesNo = (value: boolean | null): string => (value === null ? '-' : value ? 'yes' : 'no')

function renderVariants(variants: readonly VariantResult[]): string {
  return textTable(
    [{title: 'variant'}, {title: 'answered'}, {title: 'arrived'}, right('tries'), {title: 'what it is'}],
    variants.map(({name, answered, arrived, tries, what, detail}) => [
      name,
      yesNo(answered),
      yesNo(arrived),
      tries,
      detail === null ? what : `${what}: ${detail}`,
    ]),
  )
}

function renderSizes({triedBytes, acceptedBytes, refusedBy}: SegmentSizes): string[] {
  const said = refusedBy === null ? '' : `; ${refusedBy.from} says that ${refusedBy.mtu} bytes pass`
  const largest = acceptedBytes === null ? 'none was acknowledged' : `acknowledged up to ${acceptedBytes} bytes`
  return ['', `  packets with early data: ${largest} of ${triedBytes}, which fill the interface${said}`]
}

function renderPath(path: readonly Hop[]): string {
  return textTable(
    [right('hop'), {title: 'who'}, right('ms'), {title: 'changed by then'}],
    path.map(({ttl, address, rttMs, target, changes}) => [
      ttl,
      address === null ? 'no answer' : target ? `${address} (target)` : address,
      ms(rttMs ?? undefined),
      changes.join(', '),
    ]),
  )
}
