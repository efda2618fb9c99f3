import type {List} from '../../cli/made-list.js'
import {OverlayError} from '../../errors/index.js'
import type {ReplayConnection} from '../connection.js'
import type {ModelParameters} from '../model/parameters.js'
import {compareRows, explain} from './compare.js'
import {CONGESTION_CONTROL} from './live-lab.js'
import {planLive} from './plan.js'
import {Programme} from './programme.js'
import type {LiveResult} from './schema.js'

export interface LiveOptions {
  parameters: ModelParameters
  /** The most connections that are played, evenly spread over the capture. */
  connections: number
  /** Conversations at a time. */
  concurrency: number
  /** How often each is played over each path: the shortest of its times counts. */
  repeats: number
  /** Think times are divided by this. */
  speedUp: number
  /** For all of it; what was measured until then is the result. */
  deadlineMs: number
  /** The payloads of connections by their ids; without it they are what the connections have. */
  payloads?: (ids: number[]) => Promise<Map<number, ReplayConnection['payloads']>>
  /** Told what is going on, for people. */
  progress?: (what: string) => void
}

/**
 * Plays captured conversations over labs with their round trips: directly, over a split connection, over one with a
 * zero-RTT middle leg, and over that with a replicating pair at each latency. Builds labs and removes them.
 *
 * @throws OverlayError USAGE for parameters that overlay is not built for; of the labs; INCONCLUSIVE when no connection can
 *   be played
 */
export async function runLive(connections: List<ReplayConnection>, options: LiveOptions): Promise<LiveResult> {
  requireOwnDesign(options.parameters)
  const plan = planLive(connections, options)
  const planned = plan.groups.flatMap((group) => group.connections)
  if (planned.length === 0) {
    throw new OverlayError('INCONCLUSIVE', 'no connection of the capture can be played', {
      cause: plan.leftOut.map(({reason, connections: count}) => `${count}: ${reason}`).join('; ') || 'it has none',
    })
  }

  const payloads = await options.payloads?.(planned.map(({captured}) => captured.id))
  for (const {captured} of planned) captured.payloads ??= payloads?.get(captured.id)
  const programme = new Programme(plan, options)
  await programme.run()
  const rows = compareRows(programme.samples)
  const streams = planned.flatMap(({turns}) => turns.map(({bytes}) => bytes))
  return {
    connections: planned.length,
    leftOut: plan.leftOut,
    bytes: streams.reduce((sum, bytes) => sum + bytes, 0),
    fillerBytes: planned.reduce((sum, {fillerBytes}) => sum + fillerBytes(), 0),
    repeats: options.repeats,
    speedUp: options.speedUp,
    concurrency: options.concurrency,
    labRttMs: plan.groups.map(({rttMs}) => rttMs),
    congestionControl: CONGESTION_CONTROL,
    rows,
    explained: explain(programme.samples),
    complete: programme.complete,
    agrees: programme.complete && rows.every(({path, agrees}) => path === 'direct' || agrees === true),
  }
}

/** What is measured is overlay as it is built; the model can also be asked what another design would cost. */
function requireOwnDesign({synAck, pairs, originConnectMs, initialWindow, growth}: ModelParameters): void {
  const other: [boolean, string][] = [
    [synAck !== 'stateless', '--syn-ack withheld'],
    [pairs.length !== 1 || pairs[0] !== 'edge', '--pairs other than edge'],
    [originConnectMs !== null, '--origin-connect'],
    [initialWindow !== 10, '--initial-window'],
    [growth !== 2, '--growth'],
  ]
  for (const [given, flag] of other) {
    if (!given) continue
    throw new OverlayError('USAGE', `${flag} is of the model alone: --live measures overlay as it is`, {
      suggestions: [`leave out ${flag.split(' ')[0]}`, 'leave out --live'],
    })
  }
}
