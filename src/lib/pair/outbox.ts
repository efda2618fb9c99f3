import {allocate, sys, type Memory} from '../kernel/libc.js'
import {Pipe} from '../kernel/pipe.js'
import {MSG_MORE, MSG_NOSIGNAL} from '../kernel/socket-constants.js'
import type {PipePool} from '../relay/pipe-pool.js'
import type {Payload} from '../replication/backup.js'
import {FRAME_HEADER_LENGTH, writeFrameHeader, type FrameHeader} from '../wire/replication-frame.js'

const FIRST_LENGTH = 1_048_576

/**
 * Frames on their way to the other server: appended during a turn, sent in one call at its end. One block of memory, which
 * doubles when it must and is reused by every link of the process. What is read from a socket to be replicated is read
 * into it, at the place where its frame's payload will be, and is not copied. A payload in a pipe stays there.
 */
export class Outbox {
  #memory: Memory = allocate(FIRST_LENGTH)
  #start = 0
  #end = 0
  /** Pipes in their order, where each comes among the bytes in memory, and what all of them hold. */
  readonly #pipes: Pipe[] = []
  readonly #places: number[] = []
  #piped = 0
  /** A frame is among them that must not wait. */
  #urgent = false

  /**
   * @param limit bytes that may wait; the pair pauses reading long before
   * @param pool where pipes go back to; null when payloads never lie in one
   */
  constructor(
    readonly limit: number,
    private readonly pool: PipePool | null,
  ) {}

  get length(): number {
    return this.#end - this.#start + this.#piped
  }

  /** Whether a payload in a pipe waits, and whether nothing but such frames does. */
  get piped(): boolean {
    return this.#piped > 0
  }

  get allPiped(): boolean {
    return this.#piped > 0 && !this.#urgent
  }

  /**
   * Memory in which so many bytes may be read at {@link Outbox.placeAt}; what is appended next from there stays there.
   *
   * @returns null when the limit is reached
   */
  place(length: number): Memory | null {
    return this.#makeRoom(FRAME_HEADER_LENGTH + length) ? this.#memory : null
  }

  get placeAt(): number {
    return this.#end + FRAME_HEADER_LENGTH
  }

  clear(): void {
    this.#start = 0
    this.#end = 0
    for (const pipe of this.#pipes) this.pool!.give(pipe)
    this.#pipes.length = 0
    this.#places.length = 0
    this.#piped = 0
    this.#urgent = false
  }

  /**
   * @param payload all of a pipe, which belongs to this outbox from here on, whatever is returned
   * @returns false when the limit is reached: the frame is not in it, and the link is worth nothing any more
   */
  append(header: FrameHeader, payload: Payload | null, start: number): boolean {
    const piped = payload instanceof Pipe
    const length = FRAME_HEADER_LENGTH + (piped ? 0 : header.length)
    if (this.length + FRAME_HEADER_LENGTH + header.length > this.limit || !this.#makeRoom(length)) {
      if (piped) this.pool!.give(payload)
      return false
    }

    const {bytes} = this.#memory
    writeFrameHeader(bytes, this.#end, header)
    if (payload instanceof Buffer) {
      const inPlace = payload === bytes && start === this.placeAt
      if (!inPlace) payload.copy(bytes, this.placeAt, start, start + header.length)
    }

    this.#end += length
    if (!piped) {
      this.#urgent = true
      return true
    }

    this.#pipes.push(payload)
    this.#places.push(this.#end)
    this.#piped += payload.length
    return true
  }

  /** @returns what is left to send, or −1 with errno set */
  flush(fd: number): number {
    for (;;) {
      const piped = this.#pipes.length > 0
      const until = piped ? this.#places[0] : this.#end
      const flags = piped ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL
      while (this.#start < until) {
        const sent = sys.send(fd, this.#memory.address + this.#start, until - this.#start, flags)
        if (sent < 0) return -1
        this.#start += sent
      }

      if (!piped) break
      if (!this.#drainFirst(fd)) return -1
    }

    this.clear()
    return 0
  }

  /** Sends what the first pipe holds. @returns false with errno set when some remains */
  #drainFirst(fd: number): boolean {
    const [pipe] = this.#pipes
    const more = this.#start < this.#end
    while (pipe.length > 0) {
      const sent = pipe.drain(fd, more)
      if (sent < 0) return false
      this.#piped -= sent
    }

    this.#pipes.shift()
    this.#places.shift()
    this.pool!.give(pipe)
    return true
  }

  #makeRoom(length: number): boolean {
    const used = this.#end - this.#start
    if (this.length + length > this.limit) return false
    if (this.#end + length <= this.#memory.bytes.length) return true
    let size = this.#memory.bytes.length
    while (size < (used + length) * 2) size *= 2
    // Memory of `allocate` is never given back: it grows a few times in the life of a process, by doubling.
    const grown = size > this.#memory.bytes.length ? allocate(size) : this.#memory
    this.#memory.bytes.copy(grown.bytes, 0, this.#start, this.#end)
    for (let index = 0; index < this.#places.length; index++) this.#places[index] -= this.#start
    this.#memory = grown
    this.#start = 0
    this.#end = used
    return true
  }
}
