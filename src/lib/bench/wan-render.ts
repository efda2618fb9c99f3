import {textTable, type Column} from '../cli/table.js'
import {percent} from './load-render.js'
import type {Figure} from './load-schema.js'
import type {Ratio} from './ratio.js'
import {WAN_PATHS, type WanBench, type WanCase, type WanPath} from './wan-schema.js'

type Path = WanCase['paths'][number]

/** The result as text: what was measured in words, a table for each kind of middle leg, then what was left out or failed. */
export function renderWanBench(bench: WanBench): string {
  const {cases} = bench
  const names = WAN_PATHS.filter((name) => cases.some(({paths}) => paths.some((path) => path.name === name)))
  return [
    `Transfers over a middle leg of ${bench.rateMbit} Mbit/s with a queue of ${bench.queueBytes} bytes each way; ${bench.otherRttMs} ms of round trip on each of`,
    `the other two links. ${bench.congestionControl} on every socket, ${played(bench)} in turns: medians in ms, ratios to haproxy in the`,
    "same round, median (lowest to highest). From the client's connect() to the last byte (down) or to the origin's count of",
    'all bytes (up). "first": no host remembers a connection to another; "later": after others between the same hosts.',
    ...groups(cases).flatMap((group) => ['', groupTitle(group[0]), groupTable(group, names)]),
    ...bench.skipped.flatMap(({name, reason}, index) => [
      ...(index === 0 ? [''] : []),
      `${name} was skipped: ${reason}`,
    ]),
    ...cases.flatMap((each) =>
      each.paths.flatMap(({name, failed, messages}) =>
        failed === 0 ? [] : [`${groupTitle(each)}, ${kindOf(each)}, ${name}: ${failed} failed: ${messages.join('; ')}`],
      ),
    ),
    '',
    ...(names.includes('zero-rtt') && names.includes('split')
      ? [
          "after handshake: zero-rtt's time to split's less one round trip of the middle leg, which is split's handshake.",
        ]
      : []),
    `While it was measured other programs used ${percent(bench.machine.othersShare)} of the processors' time, a hypervisor took ${percent(bench.machine.stealShare)}.`,
  ].join('\n')
}

function played({rounds, roundsPlayed}: WanBench): string {
  if (roundsPlayed < rounds) return `${roundsPlayed} of ${rounds} rounds to their end`
  return rounds === 1 ? '1 round' : `${rounds} rounds`
}

/** Cases of one kind of middle leg. */
function groups(cases: readonly WanCase[]): WanCase[][] {
  const found = new Map<string, WanCase[]>()
  for (const each of cases) found.set(groupTitle(each), [...(found.get(groupTitle(each)) ?? []), each])
  return [...found.values()]
}

const groupTitle = ({rttMs, lossPercent}: WanCase): string => `${rttMs} ms, ${lossPercent} % lost each way`

const kindOf = ({bytes, direction, contact}: WanCase): string => `${bytes} bytes ${direction}, ${contact}`

function groupTable(group: readonly WanCase[], names: readonly WanPath[]): string {
  const others = names.filter((name) => name !== 'haproxy')
  const compared = names.includes('zero-rtt') && names.includes('haproxy')
  const afterHandshake = names.includes('zero-rtt') && names.includes('split')
  const columns: Column[] = [
    {title: 'bytes', align: 'right'},
    {title: 'way'},
    {title: 'contact'},
    ...(names.includes('haproxy') ? [right('haproxy')] : []),
    ...others.flatMap((name) => [right(name), ...(names.includes('haproxy') ? [right('to haproxy')] : [])]),
    ...(afterHandshake ? [right('after handshake')] : []),
    ...(compared ? [right('sooner ms'), right('first byte sooner')] : []),
  ]
  return textTable(
    columns,
    group.map((each) => {
      const of = (name: WanPath): Path | undefined => each.paths.find((path) => path.name === name)
      return [
        each.bytes,
        each.direction,
        each.contact,
        ...(names.includes('haproxy') ? [ms(of('haproxy')?.ms)] : []),
        ...others.flatMap((name) => [
          ms(of(name)?.ms),
          ...(names.includes('haproxy') ? [between(of(name)?.ms?.ratios.at(0))] : []),
        ]),
        ...(afterHandshake ? [between(each.toSplitAfterHandshake)] : []),
        ...(compared ? [saved(each.sooner.ms), saved(each.sooner.firstByteMs)] : []),
      ]
    }),
  )
}

function right(title: string): Column {
  return {title, align: 'right'}
}

const ms = (figure: Figure | undefined): string => (figure ? figure.median.toFixed(0) : '-')

const between = (ratio: Ratio | null | undefined): string =>
  ratio ? `${ratio.median.toFixed(2)} (${ratio.lowest.toFixed(2)} to ${ratio.highest.toFixed(2)})` : '-'

const saved = (value: Ratio | null): string => (value === null ? '-' : value.median.toFixed(1))
