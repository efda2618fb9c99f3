import {textTable, type Column} from '../cli/table.js'
import type {Figure, LoadBench} from './load-schema.js'

/** How the figures of a bench are shown: the key in the JSON, the title of the column, decimals. */
export interface Shown {
  key: string
  title: string
  decimals: number
}

export const BULK_FIGURES: readonly Shown[] = [
  {key: 'gbitPerSecond', title: 'Gbit/s', decimals: 2},
  {key: 'cpuSecondsPerGb', title: 'CPU s/GB', decimals: 3},
]

const FIGURES: Record<LoadBench['bench'], readonly Shown[]> = {
  throughput: BULK_FIGURES,
  connections: [
    {key: 'connectionsPerSecond', title: 'new/s', decimals: 0},
    {key: 'cpuMsPerConnection', title: 'CPU ms each', decimals: 3},
  ],
  latency: [
    {key: 'p50Ms', title: 'p50 ms', decimals: 3},
    {key: 'p99Ms', title: 'p99 ms', decimals: 3},
    {key: 'cpuMsPerExchange', title: 'CPU ms each', decimals: 3},
  ],
  memory: [{key: 'kibPerConnection', title: 'KiB each', decimals: 2}],
}

/** The result as text: what was measured in words, a table for each case, then what was left out or failed. */
export function renderLoadBench(bench: LoadBench): string {
  return [
    ...introduction(bench),
    `${bench.congestionControl} on every socket, ${bench.rounds} rounds in turns: medians; ratios are to the path named in the same round,`,
    'median (lowest to highest).',
    ...bench.cases.flatMap((each) => ['', caseTitle(each), figureTable(FIGURES[bench.bench], each.paths)]),
    ...bench.skipped.flatMap(({name, reason}, index) => [
      ...(index === 0 ? [''] : []),
      `${name} was skipped: ${reason}`,
    ]),
    ...bench.cases.flatMap((each) =>
      each.paths.flatMap(({name, failed, messages}) =>
        failed === 0 ? [] : [`${caseTitle(each)}, ${name}: ${failed} failed: ${messages.join('; ')}`],
      ),
    ),
    '',
    `While it was measured other programs used ${percent(bench.machine.othersShare)} of the processors' time, a hypervisor took ${percent(bench.machine.stealShare)}.`,
  ].join('\n')
}

function introduction(bench: LoadBench): string[] {
  switch (bench.bench) {
    case 'throughput':
      return [
        `Bulk from client to origin (up) or back (down), ${bench.ms} ms a transfer, ${processes(bench.processes)} for each relay.`,
        'Gbit/s of payload that arrived; CPU: processor time of the processes of both relays for 10^9 bytes.',
      ]
    case 'connections':
      return [
        `New connections with one exchange of ${bench.bytes} bytes each, ${bench.clients} clients in a closed loop, ${bench.ms} ms a round.`,
        'CPU: processor time of the processes of both relays for each.',
      ]
    case 'latency':
      return [
        `Exchanges of ${bench.bytes} bytes over ${bench.connections} kept connections, ${bench.ms} ms a round, ${processes(bench.processes)} for each relay.`,
        'From sending a request to its whole answer. CPU: processor time of the processes of both relays for each.',
      ]
    case 'memory':
      return [
        `Memory of the processes of both relays for each idle connection, ${processes(bench.processes)} for each relay:`,
        "PSS with so many connections more, less that before. The kernel's memory is not in it.",
      ]
  }
}

const processes = (count: number): string => (count === 1 ? 'one process or thread' : `${count} processes or threads`)

function caseTitle(each: LoadBench['cases'][number]): string {
  if ('direction' in each) return `${each.streams} ${each.streams === 1 ? 'stream' : 'streams'} ${each.direction}`
  if ('inFlight' in each) return `${each.inFlight} under way at a time`
  if ('connections' in each) return `${each.connections} idle connections`
  return `${processes(each.processes)} for each relay`
}

/** A line for each path: its figures, and their ratios to the paths that are references. */
export function figureTable(shown: readonly Shown[], paths: readonly {name: string}[]): string {
  const references = [
    ...new Set(
      paths.flatMap((path) => figuresOf(path, shown)).flatMap((figure) => (figure?.ratios ?? []).map(({to}) => to)),
    ),
  ]
  const columns: Column[] = [
    {title: 'path'},
    ...shown.flatMap(({title}) => [right(title), ...references.map((to) => right(`to ${to}`))]),
  ]
  return textTable(
    columns,
    paths.map((path) => [
      path.name,
      ...figuresOf(path, shown).flatMap((figure, index) => [
        figure === null ? '-' : figure.median.toFixed(shown[index].decimals),
        ...references.map((to) => ratioText(figure, to)),
      ]),
    ]),
  )
}

function figuresOf(path: object, shown: readonly Shown[]): Figure<string>[] {
  return shown.map(({key}) => (path as Record<string, Figure<string>>)[key])
}

function ratioText(figure: Figure<string>, to: string): string {
  const ratio = figure?.ratios.find((candidate) => candidate.to === to)
  if (!ratio) return '-'
  return `${ratio.median.toFixed(2)} (${ratio.lowest.toFixed(2)} to ${ratio.highest.toFixed(2)})`
}

function right(title: string): Column {
  return {title, align: 'right'}
}

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
