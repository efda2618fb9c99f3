import {TcpFlag} from '../wire/tcp-segment.js'
import {changesBetween, fieldsOf, matching, type Change} from './changes.js'
import {conditionsOf, earlyConditions, explain, type Condition} from './conditions.js'
import type {EchoClient} from './echo-client.js'
import type {Flow} from './flow.js'
import type {VariantResult} from './schema.js'

/** A change on the way back that only undoes one of the way out. */
const UNDOES: Record<string, string> = {
  'nat-destination': 'nat-source',
  'nat-source': 'nat-destination',
  'acknowledgment-rewritten': 'sequence-rewritten',
}

/** What the packets of these flows, as one end sent them and the other saw them, say of the path. Pure. */
export function echoConditions(flows: readonly Flow[], echo: Pick<EchoClient, 'packets'>): Condition[] {
  const arrived = echo.packets.filter(({direction}) => direction === 'arrived').map((packet) => fieldsOf(packet))
  const left = echo.packets.filter(({direction}) => direction === 'left').map((packet) => fieldsOf(packet))
  const out: Change[] = []
  const back: Change[] = []
  for (const flow of flows) {
    for (const event of flow.events) {
      if (event.kind !== 'sent' && event.kind !== 'received') continue
      // A reset has neither options nor a window to be known by.
      if (event.tcp.flags & TcpFlag.RST) continue
      const own = fieldsOf(event)
      const other = matching(own, event.kind === 'sent' ? arrived : left)
      if (!other) continue
      if (event.kind === 'sent') out.push(...changesBetween(own, other))
      else back.push(...changesBetween(other, own))
    }
  }

  const names = new Set(out.map(({name}) => name))
  const inbound = back.filter(({name}) => !names.has(UNDOES[name]))
  const backNames = new Set(inbound.map(({name}) => name))
  const outbound = out.filter(({name}) => name !== 'acknowledgment-rewritten' || !backNames.has('sequence-rewritten'))
  return [...conditionsOf(outbound, 'outbound', 'echo'), ...conditionsOf(inbound, 'inbound', 'echo')]
}

/**
 * What the variants say. Nothing is named unless the control was answered: then the path is the same for all. Pure.
 *
 * @param translated the path translates addresses: a translator tracks connections, and passes what it takes for invalid
 * with the old address, which no echo sees
 * @param mismatched the gateway's SYN/ACK has another number, so its silence on early data says nothing of the path
 */
export function variantConditions(
  variants: readonly VariantResult[],
  {translated, mismatched}: {translated: boolean; mismatched: boolean},
): Condition[] {
  const find = (name: string): VariantResult | undefined => variants.find((variant) => variant.name === name)
  if (find('syn')?.answered !== true) return []
  const names: string[] = []
  for (const name of [
    'syn-ack-field',
    'timestamp-echo',
    'no-options',
    'mss',
    'sack',
    'timestamps',
    'window-scale',
    'ecn',
    'fast-open',
    'fast-open-cookie',
    'data',
  ]) {
    const result = find(name)
    if (result && result.tries > 1 && result.answered === false && result.arrived !== true)
      names.push(`${name}-dropped`)
  }

  // A SYN with a number in the ACK field that is dropped takes the openings with it.
  const passes = (name: string): boolean | null => {
    const result = find(name)
    if (!result || result.tries === 0) return null
    if (result.answered === true || result.arrived === true) return true
    return mismatched && result.arrived === null ? null : (result.arrived ?? result.answered)
  }

  if (!translated && !names.includes('syn-ack-field-dropped')) {
    names.push(
      ...earlyConditions({
        earlyData: passes('early-data'),
        earlyAck: passes('early-ack'),
        dataWithoutSyn: passes('data-without-syn'),
      }),
    )
  }

  return names.map((name) => ({
    name,
    what: explain(name),
    sent: null,
    arrived: null,
    direction: null,
    evidence: 'variant' as const,
    hop: null,
  }))
}

/**
 * Adds where a change happened: the first hop that quotes the packet changed. What no echo has told, the quotes may. Pure.
 */
export function locate(
  conditions: readonly Condition[],
  path: readonly {hop: {ttl: number; address: string | null}; changes: readonly Change[]}[],
): Condition[] {
  const first = new Map<string, {change: Change; hop: {ttl: number; address: string}}>()
  for (const {hop, changes} of path) {
    if (hop.address === null) continue
    for (const change of changes) {
      if (!first.has(change.name)) first.set(change.name, {change, hop: {ttl: hop.ttl, address: hop.address}})
    }
  }

  const located = conditions.map((condition) =>
    condition.direction === 'outbound' ? {...condition, hop: first.get(condition.name)?.hop ?? null} : condition,
  )
  const known = new Set(located.filter(({direction}) => direction === 'outbound').map(({name}) => name))
  for (const [name, {change, hop}] of first) {
    if (!known.has(name)) located.push({...conditionsOf([change], 'outbound', 'quote')[0], hop})
  }

  return located
}
