import type {ModelParameters} from './parameters.js'
import type {Opening} from './opening.js'
import {SlowStartSender, type Arrival} from './slow-start.js'

/** One side speaks until the other one does. */
export interface ModelTurn {
  from: 'client' | 'server'
  bytes: number
  /**
   * Pause of the program that speaks, in ms: since it had all of the other side's turn, or since it sent its own last
   * byte when it speaks again; in the first turn since it had the connection.
   */
  thinkMs: number
}

/** What becomes of a conversation over a path; times in ms since the client called connect(). */
export interface ConversationTimes {
  connectMs: number
  /** See {@link Opening.handshakeMs}. */
  handshakeMs: number
  /** The server's first byte is at the client; null when the server says nothing. */
  firstByteMs: number | null
  /** The last byte of the last turn has arrived; null without turns. */
  completedMs: number | null
  /** Whether something had to wait for a congestion window. */
  waited: boolean
}

/**
 * Plays a conversation over a path.
 *
 * @param mssBytes of every leg
 */
export function playConversation(
  opening: Opening,
  turns: readonly ModelTurn[],
  parameters: ModelParameters,
  mssBytes: number,
): ConversationTimes {
  const up = senders(opening, 'up', parameters, mssBytes)
  const down = senders(opening, 'down', parameters, mssBytes).reverse()
  let firstByteMs: number | null = null
  let completedMs: number | null = null
  /** Since when each side could think of its next turn: what it had to wait for has arrived, or was sent. */
  const free = {client: opening.connectMs, server: opening.acceptMs}
  for (const {from, bytes, thinkMs} of turns) {
    if (bytes === 0) continue
    const startMs = free[from] + thinkMs
    const start: Arrival[] = [{atMs: startMs, bytes}]
    const arrived = carry(start, from === 'client' ? up : down)
    const last = arrived.at(-1)!.atMs
    if (from === 'server') firstByteMs ??= arrived[0].atMs
    free[from] = startMs
    free[from === 'client' ? 'server' : 'client'] = last
    completedMs = Math.max(completedMs ?? 0, last)
  }

  const {connectMs, handshakeMs} = opening
  return {connectMs, handshakeMs, firstByteMs, completedMs, waited: [...up, ...down].some(({sender}) => sender.waited)}
}

interface LegSender {
  sender: SlowStartSender
  /** Nothing leaves on this leg before, ms. */
  notBefore: number
}

/** The senders of one direction, from the client's leg to the origin's. */
function senders(
  {legs}: Opening,
  direction: 'up' | 'down',
  {initialWindow, growth, maxWindowBytes}: ModelParameters,
  mssBytes: number,
): LegSender[] {
  return legs.map(({rttMs, sendAt, withheldMs}, index) => ({
    sender: new SlowStartSender({
      rttMs,
      withheldMs: withheldMs[direction],
      initialWindowBytes: initialWindow * mssBytes,
      growth,
      maxWindowBytes,
    }),
    // A relay reads from the server once it may send to it.
    notBefore: direction === 'up' ? sendAt : (legs[index + 1]?.sendAt ?? 0),
  }))
}

function carry(start: Arrival[], legs: readonly LegSender[]): Arrival[] {
  let arrivals = start
  for (const {sender, notBefore} of legs) arrivals = sender.send(arrivals, notBefore)
  return arrivals
}
