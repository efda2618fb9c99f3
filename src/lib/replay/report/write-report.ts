import {closeSync, openSync, writeSync} from 'node:fs'

import {OverlayError} from '../../errors/index.js'

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
    throw new OverlayError('USAGE', `${flag} ${path} cannot be written`, {cause: (error as NodeJS.ErrnoException).code})
  }
}
