import {allocate, type Memory} from '../kernel/libc.js'
import {Pipe} from '../kernel/pipe.js'
import {hasReceivedFin, peekReceiveQueue, unreadLength} from '../kernel/receive-queue.js'
import {peekSendQueue, unacknowledged} from '../kernel/send-queue.js'
import type {Side} from '../relay/connection.js'
import type {Pending, Unread} from '../replication/primary.js'
import type {Direction} from '../wire/replication-frame.js'

/** Room for what is queued between the look at a send queue's length and the look into it. */
const PEEK_MARGIN = 65_536

/** Looks at what the kernel and the relay hold of a connection, for a backup that is to hold it too. Nothing is taken away. */
export class SocketQueues {
  /** What was seen last in each direction. */
  readonly #seen: [Memory, Memory] = [allocate(PEEK_MARGIN), allocate(PEEK_MARGIN)]
  /** For a look into a pipe. */
  readonly #look = Pipe.open()

  /**
   * What was read from a side and its far peer has not acknowledged. Good until the next call for that direction.
   *
   * @throws OverlayError SYSTEM_CALL_FAILED
   */
  pending(from: Side, direction: Direction): Pending {
    const {peer} = from
    if (peer.gone) return {from: from.received, parts: []}
    const memory = this.#memory(direction, unacknowledged(peer.fd) + from.waiting + PEEK_MARGIN)
    let length = peekSendQueue(peer.fd, memory)
    if (from.pipe !== null) length += this.#lookInto(from.pipe, memory, length)
    const first = from.received - from.heldLength - length
    // What stands before offset 0 is the relay's own: the backup has it with the far leg.
    const start = Math.max(0, -first)
    const parts: Buffer[] = []
    if (start < length) parts.push(memory.bytes.subarray(start, length))
    if (from.heldLength > 0 && from.held !== null) {
      const at = from.heldAt - from.held.address + Math.max(0, start - length)
      const end = from.heldAt - from.held.address + from.heldLength
      if (at < end) parts.push(from.held.bytes.subarray(at, end))
    }

    return {from: Math.max(0, first), parts}
  }

  /**
   * What a side has received and the relay has not read. Good until the next call for that direction.
   *
   * @returns null when there is nothing, nor an end
   * @throws OverlayError SYSTEM_CALL_FAILED
   */
  unread({fd, ended}: Side, direction: Direction): Unread | null {
    if (fd < 0 || ended) return null
    // In this order: behind a FIN nothing comes any more.
    const closed = hasReceivedFin(fd)
    const length = unreadLength(fd)
    const memory = this.#memory(direction, length)
    // Of an empty queue a look would take the error of a reset connection away.
    const bytes = memory.bytes.subarray(0, length > 0 ? peekReceiveQueue(fd, memory) : 0)
    return bytes.length === 0 && !closed ? null : {bytes, ended: closed}
  }

  #memory(direction: Direction, needed: number): Memory {
    if (this.#seen[direction].bytes.length < needed) this.#seen[direction] = allocate(2 * needed)
    return this.#seen[direction]
  }

  #lookInto(pipe: Pipe, into: Memory, at: number): number {
    if (!this.#look.copy(pipe)) throw new Error('a pipe cannot be looked into')
    return this.#look.read(into.address + at)
  }
}

/** What the peer that this side's bytes go to has acknowledged of them, our FIN counted as one more. */
export function acknowledgedOf(from: Side): number {
  const {peer} = from
  if (peer.gone) return from.received + (from.ended ? 1 : 0)
  if (peer.fd < 0) return 0
  const queued = unacknowledged(peer.fd)
  const given = from.received - from.waiting
  if (!peer.shut) return Math.max(0, given - queued)
  // Our FIN is the last of what is queued.
  return queued === 0 ? given + 1 : Math.max(0, given - queued + 1)
}
