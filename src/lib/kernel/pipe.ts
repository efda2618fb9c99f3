import {openSync} from 'node:fs'

import {systemCallError} from './errno.js'
import {addressOf, allocate, sys} from './libc.js'

const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2_000_000
const F_SETPIPE_SZ = 1031

/** The largest that a process without CAP_SYS_RESOURCE may ask for (fs.pipe-max-size, as the kernel sets it). */
export const PIPE_LENGTH = 1_048_576

const SPLICE_F_MOVE = 1
const SPLICE_F_NONBLOCK = 2
const SPLICE_F_MORE = 4
const FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK

const ends = allocate(8)

/** Where dropped bytes go. */
let nowhere: number | null = null

/** A pipe that bytes pass through without being copied (splice(2)); neither end ever blocks. */
export class Pipe {
  /** Bytes in it. */
  length = 0
  /** As its writer found it; until bytes are dropped. */
  full = false

  private constructor(
    private readonly readEnd: number,
    private readonly writeEnd: number,
  ) {}

  /** @returns null with errno set: no descriptor is left */
  static create(): Pipe | null {
    if (sys.pipe2(ends.address, O_NONBLOCK | O_CLOEXEC) < 0) return null
    const pipe = new Pipe(ends.bytes.readInt32LE(0), ends.bytes.readInt32LE(4))
    // Refused beyond what a user may have (fs.pipe-user-pages-soft): then it holds less.
    sys.fcntl(pipe.writeEnd, F_SETPIPE_SZ, PIPE_LENGTH)
    return pipe
  }

  /** @throws OverlayError SYSTEM_CALL_FAILED when no descriptor is left */
  static open(): Pipe {
    const pipe = Pipe.create()
    if (pipe === null) throw systemCallError('pipe2')
    return pipe
  }

  /**
   * Takes what a socket has received, at most so many bytes.
   *
   * @returns how many; 0 when the peer has closed its direction; −1 with errno set: EAGAIN when the socket has nothing or
   * the pipe is full, so ask only when it is empty
   */
  fill(socket: number, length: number): number {
    const taken = sys.splice(socket, 0, this.writeEnd, 0, length, FLAGS)
    if (taken > 0) this.length += taken
    return taken
  }

  /**
   * Gives all it holds to a socket, or as much as the socket takes.
   *
   * @param more other bytes follow: as MSG_MORE
   * @returns how many bytes went; −1 with errno set: EAGAIN when the socket takes none
   */
  drain(socket: number, more: boolean): number {
    const given = sys.splice(this.readEnd, 0, socket, 0, this.length, more ? FLAGS | SPLICE_F_MORE : FLAGS)
    if (given > 0) this.length -= given
    return given
  }

  /** The bytes of another pipe too, which keeps them; this one is empty. @returns false unless it took all of them */
  copy(other: Pipe): boolean {
    const taken = sys.tee(other.readEnd, this.writeEnd, other.length, SPLICE_F_NONBLOCK)
    this.length = Math.max(0, taken)
    return taken === other.length
  }

  /** Forgets its first bytes. @throws OverlayError SYSTEM_CALL_FAILED */
  drop(length: number): void {
    nowhere ??= openSync('/dev/null', 'w')
    for (let left = length; left > 0;) {
      const dropped = sys.splice(this.readEnd, 0, nowhere, 0, left, FLAGS)
      if (dropped <= 0) throw systemCallError('splice')
      left -= dropped
      this.length -= dropped
    }

    this.full = false
  }

  /** All it holds, copied; it is empty afterwards. */
  take(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.length)
    return bytes.subarray(0, this.read(addressOf(bytes)))
  }

  /** Writes bytes of memory into it, as many as fit. @returns how many; −1 with errno set */
  load(at: number, length: number): number {
    const written = sys.write(this.writeEnd, at, length)
    if (written > 0) this.length += written
    return written
  }

  /** Reads all it holds into memory. @returns how many bytes that was */
  read(at: number): number {
    let read = 0
    while (this.length > 0) {
      const length = sys.read(this.readEnd, at + read, this.length)
      if (length <= 0) break
      read += length
      this.length -= length
    }

    return read
  }

  close(): void {
    sys.close(this.readEnd)
    sys.close(this.writeEnd)
  }
}
