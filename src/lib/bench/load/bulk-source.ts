import {EAGAIN} from '../../kernel/errno.js'
import {allocate, errno} from '../../kernel/libc.js'
import {Pipe} from '../../kernel/pipe.js'

const PIECE = 256 * 1024

/** What all sources send: a pipe that is filled once and never emptied. */
let store: Pipe | null = null

function filledStore(): Pipe {
  const pipe = Pipe.open()
  const piece = allocate(PIECE)
  for (let i = 0; i < PIECE; i++) piece.bytes[i] = i % 251
  while (pipe.load(piece.address, PIECE) === PIECE); // until it is full: write() then takes a part, or EAGAIN
  return pipe
}

/**
 * Sends the same bytes again and again without copying them (tee(2), splice(2)), so that a load costs as little of the
 * processors as can be: they are shared with what is measured.
 */
export class BulkSource {
  private readonly pipe = Pipe.open()
  sent = 0

  /**
   * Sends until the socket takes no more, at most so many times.
   *
   * @returns true when it could go on, false when the socket is full; an errno when it failed
   */
  send(socket: number, times: number): boolean | number {
    store ??= filledStore()
    for (let i = 0; i < times; i++) {
      if (this.pipe.length === 0) this.pipe.copy(store)
      const given = this.pipe.drain(socket, false)
      if (given < 0) return errno() === EAGAIN ? false : errno()
      this.sent += given
    }

    return true
  }

  close(): void {
    this.pipe.close()
  }
}
