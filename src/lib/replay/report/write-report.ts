import {accessSync, closeSync, constants, existsSync, openSync, statSync, writeSync} from 'node:fs'
import {dirname} from 'node:path'

import {OverlayError} from '../../errors/index.js'

/**
 * Whether a report can be written there, before the work that it is to tell of is done.
 *
 * @param flag and path, as they were given, for messages
 * @throws OverlayError USAGE when it cannot
 */
export function checkWritable(flag: string, path: string): void {
  try {
    if (!existsSync(path)) accessSync(dirname(path), constants.W_OK | constants.X_OK)
    else if (statSync(path).isDirectory()) throw Object.assign(new Error('a directory'), {code: 'EISDIR'})
    else accessSync(path, constants.W_OK)
  } catch (error) {
    throw unwritable(flag, path, error)
  }
}

/**
 * Writes a report, replacing what was there.
 *
 * @param flag and path, as they were given, for messages
 * @throws OverlayError USAGE when it cannot be written
 */
export function writeReport(flag: string, path: string, pieces: Iterable<string>): void {
  try {
    const fd = openSync(path, 'w')
    try {
      for (const piece of pieces) writeSync(fd, piece)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw unwritable(flag, path, error)
  }
}

function unwritable(flag: string, path: string, error: unknown): OverlayError {
  return new OverlayError('USAGE', `${flag} ${path} cannot be written`, {cause: (error as NodeJS.ErrnoException).code})
}
