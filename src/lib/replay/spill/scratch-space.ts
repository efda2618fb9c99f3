import {closeSync, openSync, unlinkSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {OverlayError} from '../../errors/index.js'

/**
 * Temporary files for what is not to lie in memory. They have no name from the moment they are open, so nothing is left of
 * them whatever ends the process.
 */
export class ScratchSpace {
  /** Why nothing more can be written here, and what helps; null while it can. What is not written stays in memory. */
  failure: OverlayError | null = null
  readonly #files = new Set<number>()

  /** @param directory `$TMPDIR`, or /tmp without it, unless given */
  constructor(readonly directory = tmpdir()) {}

  /** @returns a descriptor. Throws as openSync does */
  open(): number {
    const path = join(this.directory, `overlay-spill-${process.pid}-${Math.random().toString(36).slice(2)}`)
    const fd = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
    this.#files.add(fd)
    return fd
  }

  /** Gives a file's room back. @param fd of `open` */
  release(fd: number): void {
    if (this.#files.delete(fd)) closeSync(fd)
  }

  /** Nothing that was written can be read after this. */
  close(): void {
    for (const fd of this.#files) closeSync(fd)
    this.#files.clear()
  }

  /** A write has failed: a full disk, or a directory that is not there. The first one is kept. */
  failed(error: unknown): void {
    this.failure ??= new OverlayError(
      'SYSTEM_CALL_FAILED',
      `${this.directory}: what should lie there stays in memory`,
      {
        cause: (error as NodeJS.ErrnoException).code,
        suggestions: ['set TMPDIR to a directory with room'],
      },
    )
  }

  /** What was written cannot be read again. */
  unreadable(error: unknown): OverlayError {
    return new OverlayError('SYSTEM_CALL_FAILED', `${this.directory}: a temporary file there cannot be read again`, {
      cause: (error as NodeJS.ErrnoException).code,
      suggestions: ['set TMPDIR to another directory'],
    })
  }
}
