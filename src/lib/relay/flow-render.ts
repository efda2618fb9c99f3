import {textTable, type Column} from '../cli/table.js'
import type {Flow, FlowLeg, FlowsResult} from './flow-schema.js'

/** What stands below the table. */
const LEGEND = [
  'RTT: the kernel’s smoothed round trip of each leg. After a zero-RTT opening it begins with the 0.05 ms of the dummy, and',
  'needs some 20 acknowledgements to come near the real one. held: read, and not taken by the kernel for the next leg.',
]
const LAG_LEGEND =
  'lag: bytes that the backup has not acknowledged, and how long ago the oldest of them was read at most.'

/** Connections as a table. @param previous an earlier look at the same instance: then rates are shown */
export function renderFlows(result: FlowsResult, previous: FlowsResult | null = null): string {
  const {role, name, time, open, matched, omitted, sort, flows} = result
  const which = matched === open ? '' : `, ${matched} of them asked for`
  const left = omitted === 0 ? '' : `; ${omitted} left out, give a larger --limit`
  const head = `${role} "${name}" at ${time}: ${open} connections open${which}; ${flows.length} shown, by ${sort}${left}`
  const lines = [head, ...silentLines(result), ...pairLines(result)]
  if (flows.length === 0) return lines.join('\n')
  const lag = flows.some(({replication}) => replication !== null)
  const rates = previous === null ? null : ratesSince(previous, result)
  const table = textTable(columns(role, lag, rates !== null), rowsOf(flows, role, lag, rates))
  return [...lines, '', table, ...LEGEND, ...(lag ? [LAG_LEGEND] : [])].join('\n')
}

/** Bytes/s of each connection between two looks, both ways together; only those of both looks that have an id. Pure. */
export function ratesSince(previous: FlowsResult, now: FlowsResult): Map<string, number> {
  const seconds = (Date.parse(now.time) - Date.parse(previous.time)) / 1000
  const before = new Map(previous.flows.map((flow) => [flow.id, bytesOf(flow)]))
  const rates = new Map<string, number>()
  if (seconds <= 0) return rates
  for (const flow of now.flows) {
    const bytes = before.get(flow.id)
    if (flow.id !== null && bytes !== undefined) rates.set(flow.id, Math.round((bytesOf(flow) - bytes) / seconds))
  }

  return rates
}

function silentLines({silent}: FlowsResult): string[] {
  return silent.map((pid) => `relay process ${pid} did not answer: its connections are missing`)
}

function pairLines({pair}: FlowsResult): string[] {
  if (pair === null) return []
  if (pair.role === 'owner') return [`owner of its pair, replication link ${pair.link}`]
  if (pair.role === 'waiting') return ['of its pair it neither owns the addresses nor holds the owner’s connections']
  return [`backup of its pair: it holds ${pair.flows} connections, which the owner lists`]
}

function columns(role: FlowsResult['role'], lag: boolean, rates: boolean): Column[] {
  const right = (title: string): Column => ({title, align: 'right'})
  const [near, far] = role === 'edge' ? ['client', 'gateway'] : ['edge', 'origin']
  return [
    {title: 'flow'},
    {title: 'state'},
    {title: near},
    right('from client'),
    right('to client'),
    ...(rates ? [right('bytes/s')] : []),
    right('held'),
    right(`RTT ${near}`),
    right(`RTT ${far} ms`),
    right('sent again'),
    ...(lag ? [right('lag'), right('ms')] : []),
    right('idle s'),
    right('age s'),
    {title: far},
    ...(role === 'edge' ? [{title: 'opened'}, {title: 'service'}, {title: 'origin'}] : []),
  ]
}

function rowsOf(
  flows: readonly Flow[],
  role: FlowsResult['role'],
  lag: boolean,
  rates: ReadonlyMap<string, number> | null,
): (number | string)[][] {
  return flows.map((flow) => {
    const [near, far] = flow.legs
    const {bytes, waiting, replication} = flow
    return [
      flow.id ?? '-',
      stateOf(flow),
      (role === 'edge' ? flow.client : near.remote) ?? '-',
      bytes.fromClient,
      bytes.toClient,
      ...(rates === null ? [] : [rates.get(flow.id ?? '') ?? '-']),
      waiting.toOrigin + waiting.toClient,
      milliseconds(near),
      milliseconds(far),
      near.retransmissions + far.retransmissions,
      ...(lag ? [replication?.lagBytes ?? '-', replication?.lagAtMostMs ?? '-'] : []),
      seconds(flow.idleMs),
      flow.ageMs === null ? '-' : seconds(flow.ageMs),
      far.remote ?? '-',
      ...(role === 'edge' ? [flow.handshake ?? '-', flow.service ?? '-', flow.origin ?? '-'] : []),
    ]
  })
}

function stateOf({state, ended}: Flow): string {
  if (state !== 'relaying' || (!ended.client && !ended.origin)) return state
  return ended.client ? 'client ended' : 'origin ended'
}

const bytesOf = ({bytes}: Flow): number => bytes.fromClient + bytes.toClient

const milliseconds = ({rttMs}: FlowLeg): string =>
  rttMs === null ? '-' : rttMs.toFixed(rttMs < 1 ? 3 : rttMs < 10 ? 2 : 1)

const seconds = (ms: number): string => (ms / 1000).toFixed(1)
