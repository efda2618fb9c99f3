import type {List} from '../../cli/made-list.js'
import {Content} from '../../failover/content.js'
import type {CapturedStream, ReplayConnection} from '../connection.js'
import {spreadIndices} from '../evenly-spread.js'
import {legsFor, type LegRtts, type ModelParameters} from '../model/parameters.js'
import type {ModelConnection} from '../model/model.js'
import {modelConnectionOf, type LeftOut} from '../model/model-connections.js'
import {ScratchSpace} from '../spill/scratch-space.js'
import {SpilledColumn} from '../spill/spilled-column.js'
import type {PlayedTurn} from './speaker.js'

/** A captured connection as it is played. */
export interface PlannedConnection {
  captured: ReplayConnection
  turns: PlayedTurn[]
  /** All bytes of each side; made anew each time, since many connections may be planned. */
  bytes(): {client: Buffer; server: Buffer}
  /** How many of them are not the captured ones, because those were not captured or not kept. */
  fillerBytes(): number
}

/** Connections of nearly the same round trip, played over links of that round trip. */
export interface PlannedGroup {
  /** Of the direct path, ms. */
  rttMs: number
  legs: LegRtts
  connections: PlannedConnection[]
}

export interface LivePlan {
  groups: PlannedGroup[]
  leftOut: {reason: 'beyond --connections' | 'too many bytes' | LeftOut['reason']; connections: number}[]
}

export interface PlanOptions {
  parameters: ModelParameters
  /** The most that are played, evenly spread over the capture. */
  connections: number
  /** Think times are divided by this. */
  speedUp: number
}

/** Streams of more bytes are not played: both ends hold them in memory. */
export const LONGEST_STREAM_BYTES = 8 << 20

/** Connections share links when their round trips differ by no more than this. */
const GROUP_MS = 1
const GROUP_SHARE = 0.03

/** What is played, and over which links. Payloads may be given to the connections of the plan later. */
export function planLive(
  connections: List<ReplayConnection>,
  {parameters, connections: most, speedUp}: PlanOptions,
): LivePlan {
  const counts = new Map<LivePlan['leftOut'][number]['reason'], number>()
  const leaveOut = (reason: LivePlan['leftOut'][number]['reason']): void => {
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }

  const playable = new SpilledColumn(new ScratchSpace())
  let index = 0
  for (const captured of connections) {
    const model = modelConnectionOf(captured, parameters)
    if (typeof model === 'string') leaveOut(model)
    else if (longestStream(captured) > LONGEST_STREAM_BYTES) leaveOut('too many bytes')
    else playable.push(index)
    index++
  }

  const chosen = spreadIndices(playable.length, most).map((nth) => {
    const captured = connections.at(playable.at(nth))!
    return {captured, model: modelConnectionOf(captured, parameters) as ModelConnection}
  })
  for (let rest = playable.length - chosen.length; rest > 0; rest--) leaveOut('beyond --connections')
  return {
    groups: groupByRtt(chosen).map((group) => {
      const rttMs = Math.round((group.reduce((sum, {model}) => sum + model.rttMs, 0) / group.length) * 100) / 100
      return {
        rttMs,
        legs: legsFor(parameters, rttMs),
        connections: group.map(({captured}) => planConnection(captured, speedUp)),
      }
    }),
    leftOut: [...counts].map(([reason, count]) => ({reason, connections: count})),
  }
}

function groupByRtt<Item extends {model: ModelConnection}>(items: readonly Item[]): Item[][] {
  const groups: Item[][] = []
  for (const item of [...items].sort((a, b) => a.model.rttMs - b.model.rttMs)) {
    const lowest = groups.at(-1)?.[0].model.rttMs
    const near = lowest !== undefined && item.model.rttMs - lowest <= Math.max(GROUP_MS, lowest * GROUP_SHARE)
    if (near) groups.at(-1)!.push(item)
    else groups.push([item])
  }

  return groups
}

/** Bytes of one side, by its turns. */
function turnBytes(turns: readonly {from: string; bytes: number}[], from: 'client' | 'server'): number {
  return turns.reduce((sum, turn) => sum + (turn.from === from ? turn.bytes : 0), 0)
}

function longestStream({turns}: ReplayConnection): number {
  return Math.max(turnBytes(turns, 'client'), turnBytes(turns, 'server'))
}

function planConnection(captured: ReplayConnection, speedUp: number): PlannedConnection {
  const turns = captured.turns
    .filter(({bytes}) => bytes > 0)
    .map(({from, bytes, thinkMs}) => ({from, bytes, thinkMs: thinkMs / speedUp}))
  const lengths = {client: turnBytes(turns, 'client'), server: turnBytes(turns, 'server')}
  return {
    captured,
    turns,
    bytes: () => ({
      client: fill(captured.payloads?.fromClient, new Content(captured.id, 0), lengths.client),
      server: fill(captured.payloads?.fromServer, new Content(captured.id, 1), lengths.server),
    }),
    fillerBytes: () =>
      missingBytes(captured.payloads?.fromClient, lengths.client) +
      missingBytes(captured.payloads?.fromServer, lengths.server),
  }
}

/** Ranges of a stream of so many bytes that were not captured. */
function missingRanges(stream: CapturedStream | undefined, length: number): {from: number; to: number}[] {
  const tail = {from: Math.min(length, stream?.bytes.length ?? 0), to: length}
  return [...(stream?.missing ?? []), tail].map(({from, to}) => ({from, to: Math.min(to, length)}))
}

function missingBytes(stream: CapturedStream | undefined, length: number): number {
  return missingRanges(stream, length).reduce((sum, {from, to}) => sum + Math.max(0, to - from), 0)
}

/** The captured bytes, with known content in the place of those that were not captured. */
export function fill(stream: CapturedStream | undefined, content: Content, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  stream?.bytes.copy(bytes)
  for (const {from, to} of missingRanges(stream, length)) {
    for (let at = from; at < to;) {
      const part = content.slice(at, to - at)
      part.copy(bytes, at)
      at += part.length
    }
  }

  return bytes
}
