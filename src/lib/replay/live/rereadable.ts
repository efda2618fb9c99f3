import {createReadStream, statSync, writeSync} from 'node:fs'

import {STDIN} from '../../capture/byte-source.js'
import {OverlayError} from '../../errors/index.js'
import type {ScratchSpace} from '../spill/scratch-space.js'

/**
 * A path that can be read twice: of standard input or a named pipe that of a copy without a name, of anything else its own.
 *
 * @param onProgress called for each piece. @param bytes copied so far
 * @throws OverlayError SYSTEM_CALL_FAILED when there is no room for the copy; NOT_FOUND when the pipe cannot be read
 */
export async function rereadable(
  source: string,
  scratch: ScratchSpace,
  onProgress: (bytes: number) => void,
): Promise<string> {
  if (source !== STDIN && !isPipe(source)) return source
  const fd = open(scratch)
  let copied = 0
  const stream = source === STDIN ? process.stdin : createReadStream(source)
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      copied += write(fd, chunk, scratch)
      onProgress(copied)
    }
  } catch (error) {
    if (error instanceof OverlayError) throw error
    throw new OverlayError('NOT_FOUND', `capture ${source} cannot be read`, {
      cause: (error as NodeJS.ErrnoException).code,
    })
  }

  return `/proc/self/fd/${fd}`
}

function isPipe(path: string): boolean {
  const stats = statSync(path, {throwIfNoEntry: false})
  return stats !== undefined && !stats.isFile() && !stats.isDirectory()
}

function open(scratch: ScratchSpace): number {
  try {
    return scratch.open()
  } catch (error) {
    throw noRoom(scratch, error)
  }
}

function write(fd: number, bytes: Buffer, scratch: ScratchSpace): number {
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done)
    return bytes.length
  } catch (error) {
    throw noRoom(scratch, error)
  }
}

function noRoom({directory}: ScratchSpace, error: unknown): OverlayError {
  return new OverlayError(
    'SYSTEM_CALL_FAILED',
    `${directory} cannot take a copy of the capture, which --live reads twice`,
    {
      cause: (error as NodeJS.ErrnoException).code,
      suggestions: ['set TMPDIR to a directory with room', 'give the capture as a file'],
    },
  )
}
