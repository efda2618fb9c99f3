import {once} from 'node:events'
import type {Writable} from 'node:stream'

import {OverlayError, toOverlayError} from '../errors/index.js'
import {jsonPieces} from './json-pieces.js'

/** So much is handed to the stream at a time, characters. */
const PIECE_LENGTH = 64 * 1024

/** True when `--json` is among the words before `--`. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json')
}

/** True when colour may be written to the stream: a terminal, and NO_COLOR not set (https://no-color.org). */
export function mayColour(stream: NodeJS.WriteStream): boolean {
  return Boolean(stream.isTTY) && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
}

/** One JSON object on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(JSON.stringify(value, null, 2) + '\n')
}

/**
 * One JSON object, written as {@link printJson} would, without its whole text in memory: whoever reads it sets the pace.
 *
 * @throws what the stream says when it fails
 */
export async function writeJson(value: object, stream: Writable = process.stdout): Promise<void> {
  let text = ''
  for (const piece of jsonPieces(value)) {
    text += piece
    if (text.length < PIECE_LENGTH) continue
    if (!stream.write(text)) await once(stream, 'drain')
    text = ''
  }

  stream.write(`${text}\n`)
}

/**
 * The one place where an error meets the user: JSON on stdout or text on stderr, and the exit code set, never
 * `process.exit`, which would cut piped output short.
 */
export function reportError(thrown: unknown, json: boolean, warnings: readonly string[] = []): OverlayError {
  const error = toOverlayError(thrown)
  if (json) printJson({error: error.toJson(), ...(warnings.length > 0 && {warnings})})
  else process.stderr.write(error.toText() + '\n')
  if (process.env.OVERLAY_DEBUG && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`)
  process.exitCode = error.exitCode
  return error
}
