import {Pipe} from '../kernel/pipe.js'

/** Empty pipes that are kept, so that a steady load creates none. */
const KEEP = 64

/** Pipes lent out at a time: two descriptors and at most 1 MiB of the kernel's memory each. */
const LEND = 1024

/** Pipes are lent only for as long as they hold something. */
export class PipePool {
  /** Pipes lent out now. */
  lent = 0
  private readonly free: Pipe[] = []

  /** @returns null when there is none to be had: bytes are copied instead */
  take(): Pipe | null {
    if (this.lent === LEND) return null
    const pipe = this.free.pop() ?? Pipe.create()
    if (pipe !== null) this.lent++
    return pipe
  }

  /** One that still holds something is closed, and its bytes are gone. */
  give(pipe: Pipe): void {
    this.lent--
    pipe.full = false
    if (pipe.length > 0 || this.free.length === KEEP) pipe.close()
    else this.free.push(pipe)
  }
}
