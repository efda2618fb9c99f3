import {allocate, sys, type Memory} from '../kernel/libc.js'
import {MSG_NOSIGNAL} from '../kernel/socket-constants.js'
import {FRAME_HEADER_LENGTH, writeFrameHeader, type FrameHeader} from '../wire/replication-frame.js'

const FIRST_LENGTH = 1_048_576

/**
 * Frames on their way to the other server: appended during a turn, sent in one call at its end. One block of memory, which
 * doubles when it must and is reused by every link of the process. What is read from a socket to be replicated is read
 * into it, at the place where its frame's payload will be, and is not copied.
 */
export class Outbox {
  #memory: Memory = allocate(FIRST_LENGTH)
  #start = 0
  #end = 0

  /** @param limit bytes that may wait; the pair pauses reading long before */
  constructor(readonly limit: number) {}

  get length(): number {
    return this.#end - this.#start
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
  }

  /** @returns false when the limit is reached: the frame is not in it, and the link is worth nothing any more */
  append(header: FrameHeader, payload: Buffer | null, start: number): boolean {
    const length = FRAME_HEADER_LENGTH + header.length
    if (!this.#makeRoom(length)) return false
    const {bytes} = this.#memory
    writeFrameHeader(bytes, this.#end, header)
    const inPlace = payload === bytes && start === this.placeAt
    if (payload !== null && !inPlace) payload.copy(bytes, this.placeAt, start, start + header.length)
    this.#end += length
    return true
  }

  /** @returns what is left to send, or −1 with errno set */
  flush(fd: number): number {
    while (this.#start < this.#end) {
      const sent = sys.send(fd, this.#memory.address + this.#start, this.#end - this.#start, MSG_NOSIGNAL)
      if (sent < 0) return -1
      this.#start += sent
    }

    this.clear()
    return 0
  }

  #makeRoom(length: number): boolean {
    const used = this.length
    if (used + length > this.limit) return false
    if (this.#end + length <= this.#memory.bytes.length) return true
    let size = this.#memory.bytes.length
    while (size < (used + length) * 2) size *= 2
    // Memory of `allocate` is never given back: it grows a few times in the life of a process, by doubling.
    const grown = size > this.#memory.bytes.length ? allocate(size) : this.#memory
    this.#memory.bytes.copy(grown.bytes, 0, this.#start, this.#end)
    this.#memory = grown
    this.#start = 0
    this.#end = used
    return true
  }
}
