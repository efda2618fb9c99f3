import {closeSync, openSync, rmSync, writeSync} from 'node:fs'
import {join} from 'node:path'

import {mountDisk} from '../lab/mounts.js'

/** For all that a member writes, and little to fill. */
const BYTES = 4_194_304
const BLOCK = Buffer.alloc(65_536, 1)

/** A file system of a few MiB for one member, which goes with its lab. */
export class SmallDisk {
  private constructor(private readonly directory: string) {}

  /** @param directory is made when missing */
  static mount(directory: string): SmallDisk {
    mountDisk(directory, BYTES)
    return new SmallDisk(directory)
  }

  /** Leaves room for not one byte. */
  fill(): void {
    const fd = openSync(this.#filler, 'w', 0o600)
    try {
      for (let {length} = BLOCK; length > 0; length >>= 1) while (writes(fd, length));
    } finally {
      closeSync(fd)
    }
  }

  free(): void {
    rmSync(this.#filler, {force: true})
  }

  get #filler(): string {
    return join(this.directory, 'filler')
  }
}

/** @returns false when the file system is full */
function writes(fd: number, length: number): boolean {
  try {
    return writeSync(fd, BLOCK, 0, length) === length
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}
