import type {Side} from './connection.js'
import {PipePool} from './pipe-pool.js'

/** Bytes of one splice from a socket. */
export const SPLICE_LENGTH = 524_288

/** Reads of at least so many bytes speak for splicing, splices of fewer than `small` against it. */
const PLAIN = {large: 16_384, small: 4096}

/** With a backup each splice is a frame of its own, with a tee and a second splice: it has to be a large one. */
const REPLICATED = {large: 65_536, small: 65_536}

/** How many in a row it takes. */
const LARGE_READS = 2
const SMALL_SPLICES = 8

/** No pipe is to be had. */
export const COPY_INSTEAD = -2

/** A read by copy was so long: is the next one a splice? */
export function noteCopied(from: Side, length: number): void {
  const {large} = from.connection.flow === null ? PLAIN : REPLICATED
  from.against = length < large ? 0 : from.against + 1
  if (from.against < LARGE_READS) return
  from.against = 0
  from.splicing = true
}

/** Bytes from one socket to its peer through a pipe, which is a side's only while something is in it. */
export class Splicer {
  private readonly pipes = new PipePool()

  /** @returns bytes taken; 0: the peer has closed; −1 with errno set; {@link COPY_INSTEAD} */
  fill(from: Side): number {
    const pipe = this.pipes.take()
    if (pipe === null) {
      from.splicing = false
      return COPY_INSTEAD
    }

    const length = pipe.fill(from.fd, SPLICE_LENGTH)
    if (length > 0) {
      from.pipe = pipe
      const {small} = from.connection.flow === null ? PLAIN : REPLICATED
      from.against = length < small ? from.against + 1 : 0
      if (from.against < SMALL_SPLICES) return length
      from.against = 0
      from.splicing = false
      return length
    }

    this.pipes.give(pipe)
    return length
  }

  /** @returns bytes given to the peer, −1 with errno set */
  drain(from: Side): number {
    const pipe = from.pipe!
    const length = pipe.drain(from.peer.fd, from.ended)
    if (pipe.length > 0) return length
    this.pipes.give(pipe)
    from.pipe = null
    return length
  }

  /** Forgets what a side has in a pipe. */
  drop(side: Side): void {
    if (side.pipe !== null) this.pipes.give(side.pipe)
    side.pipe = null
  }
}
