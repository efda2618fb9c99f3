import {closeSync, constants, fstatSync, openSync, readSync} from 'node:fs'

import {OverlayError} from '../errors/index.js'

/** Bytes of a configuration or scenario file, at most. */
export const LARGEST_FILE = 1_048_576

/** How long a pipe may take, ms. */
const READ_DEADLINE_MS = 5000

/** Between looks into a pipe that has nothing yet, ms. */
const PAUSE_MS = 10

/**
 * Reads a file that people write. Pipes are read too, as of `<(…)` in a shell; what never ends is not.
 *
 * @param what of which it is, for the message: `configuration file`
 * @returns its bytes; one more than {@link LARGEST_FILE} when it is larger
 * @throws OverlayError CONFIG_INVALID
 */
export function readBytes(path: string, what: string): Buffer {
  let fd = -1
  try {
    // Opening a pipe that nobody writes to would wait for ever.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    if (fstatSync(fd).isDirectory()) throw Object.assign(new Error('a directory'), {code: 'EISDIR'})
    return readAll(fd)
  } catch (error) {
    throw new OverlayError('CONFIG_INVALID', `${what} ${path} cannot be read`, {
      cause: (error as NodeJS.ErrnoException).code,
    })
  } finally {
    if (fd >= 0) closeSync(fd)
  }
}

function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(LARGEST_FILE + 1)
  const deadline = Date.now() + READ_DEADLINE_MS
  let length = 0
  while (length < bytes.length) {
    const read = readSome(fd, bytes, length)
    if (read === 0) break
    if (read > 0) length += read
    else if (Date.now() > deadline) throw Object.assign(new Error('too slow'), {code: 'ETIMEDOUT'})
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
  }

  return bytes.subarray(0, length)
}

/** @returns -1 when there is nothing yet */
function readSome(fd: number, bytes: Buffer, at: number): number {
  try {
    return readSync(fd, bytes, at, bytes.length - at, null)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return -1
    throw error
  }
}
