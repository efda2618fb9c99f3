import {OverlayError} from '../errors/index.js'
import {nearest} from '../cli/nearest.js'
import {FlowFilter} from './flow-filter.js'
import {flowQuerySchema, type Flow, type FlowQuery, type FlowsPart, type FlowsResult} from './flow-schema.js'
import type {RelayChild} from './relay-child.js'

/** Flows handed on at a time. */
const PART_LENGTH = 64

/** A relay process as it is asked here. */
export type FlowProcess = Pick<RelayChild, 'flows' | 'moreFlows' | 'pid'>

/** What {@link FlowQueries.answer} says when all flows have been handed on. */
export type FlowsSummary = Omit<FlowsResult, 'flows'>

/**
 * A question as it came by the admin socket.
 *
 * @throws OverlayError USAGE
 */
export function flowQuery(request: object): FlowQuery {
  const query: {command?: unknown} = {...request}
  delete query.command
  const parsed = flowQuerySchema.safeParse(query)
  if (!parsed.success) {
    const [{path, message}] = parsed.error.issues
    throw new OverlayError('USAGE', `flows: ${[...path.map(String), message].join(': ')}`)
  }

  // Its words are read once more where they are used.
  const filter = new FlowFilter(parsed.data.filter)
  if (filter.service === '') throw new OverlayError('USAGE', '--service: an empty name')
  return parsed.data
}

/** The rest of one process's answer, its largest first. */
class ProcessFlows {
  #at = 0

  private constructor(
    readonly process: FlowProcess,
    public part: FlowsPart,
  ) {}

  static async of(process: FlowProcess, query: FlowQuery): Promise<ProcessFlows | null> {
    const part = await process.flows(query).catch(() => null)
    return part === null ? null : new ProcessFlows(process, part)
  }

  /** Of the next; undefined when there is none here: {@link ProcessFlows.refill} may bring more. */
  get key(): number | undefined {
    return this.part.keys[this.#at]
  }

  take(): Flow {
    return this.part.flows[this.#at++]
  }

  /** @returns false when the process does not answer any more */
  async refill(): Promise<boolean> {
    while (this.key === undefined && this.part.more) {
      const part = await this.process.moreFlows().catch(() => null)
      if (part === null) return false
      this.part = part
      this.#at = 0
    }

    return true
  }
}

/** Questions for flows, as the control process asks its relay processes: one at a time, the answer handed on in parts. */
export class FlowQueries {
  /** Settles when the last question has been answered. */
  #turns: Promise<unknown> = Promise.resolve()

  /** @param processes those that serve */
  constructor(private readonly processes: () => readonly FlowProcess[]) {}

  /**
   * @param hand passes flows on; settles when there is room for more
   * @throws what `hand` throws
   */
  async answer(query: FlowQuery, hand: (flows: Flow[]) => Promise<void>): Promise<Omit<FlowsSummary, 'name' | 'role'>> {
    const turn = this.#turns.then(() => ask(this.processes(), query, hand))
    this.#turns = turn.catch(() => {})
    return turn
  }
}

async function ask(
  processes: readonly FlowProcess[],
  query: FlowQuery,
  hand: (flows: Flow[]) => Promise<void>,
): Promise<Omit<FlowsSummary, 'name' | 'role'>> {
  const silent = new Set<number>()
  const sources: ProcessFlows[] = []
  for (const [index, source] of (await Promise.all(processes.map((each) => ProcessFlows.of(each, query)))).entries()) {
    if (source === null) silent.add(processes[index].pid)
    else sources.push(source)
  }

  let shown = 0
  let flows: Flow[] = []
  while (shown < query.limit) {
    const source = await largest(sources, silent)
    if (source === null) break
    flows.push(source.take())
    shown++
    if (flows.length < PART_LENGTH) continue
    await hand(flows)
    flows = []
  }

  if (flows.length > 0) await hand(flows)
  // What follows the last flow says how long the process was kept by it.
  for (const source of sources) if (!silent.has(source.process.pid) && source.key === undefined) await source.refill()
  const parts = sources.map(({part}) => part)
  const matched = sum(parts.map((part) => part.matched))
  return {
    time: new Date().toISOString(),
    sort: query.sort,
    open: sum(parts.map((part) => part.open)),
    matched,
    omitted: Math.max(0, matched - shown - sum(parts.map((part) => part.gone))),
    pauseMs: Math.round(Math.max(0, ...parts.map((part) => part.pauseMs)) * 1000) / 1000,
    silent: [...silent],
    pair: parts[0]?.pair ?? null,
  }
}

/** Whose next flow is the largest of all; null when none is left. */
async function largest(sources: readonly ProcessFlows[], silent: Set<number>): Promise<ProcessFlows | null> {
  let best: ProcessFlows | null = null
  for (const source of sources) {
    if (silent.has(source.process.pid)) continue
    if (source.key === undefined && !(await source.refill())) {
      silent.add(source.process.pid)
      continue
    }

    const {key} = source
    if (key !== undefined && (best === null || key > best.key!)) best = source
  }

  return best
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/**
 * Nothing was found, and there is no such service.
 *
 * @throws OverlayError NOT_FOUND
 */
export function checkService(instance: string, service: string | undefined, known: readonly string[]): void {
  if (service === undefined || known.includes(service)) return
  const near = nearest(service, known)
  throw new OverlayError('NOT_FOUND', `${instance} has no service "${service}"`, {
    suggestions: near === undefined ? [`it has ${known.join(', ')}`] : [`--service ${near}`],
  })
}
