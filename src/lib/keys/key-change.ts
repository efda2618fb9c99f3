import {randomBytes} from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  openSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  type Stats,
} from 'node:fs'
import {basename, dirname, join} from 'node:path'

import {OverlayError} from '../errors/index.js'
import {parseKeys, readKeyText, type KeyRing} from './key-file.js'

/** What is printed of a key file: no more than this. */
export interface KeyIds {
  current: number
  previous: number | null
}

/**
 * - `replace`: a new key is sent with from now on, the one before is still accepted
 * - `prepare`: a new key is accepted from now on, and not yet sent with
 * - `activate`: the two change places
 */
export type Rotation = 'activate' | 'prepare' | 'replace'

const HIGHEST_ID = 65_535

/** A change takes ms; what is older was left by one that was killed. */
const STALE_MS = 10_000

/**
 * Makes a key file with one key, mode 600.
 *
 * @param id 1 to 65535
 * @throws OverlayError ALREADY_EXISTS when anything has that name, PRIVILEGE_MISSING or KEY_FILE_INVALID when it cannot be written
 */
export function newKeyFile(path: string, id: number): KeyIds {
  const text = keyLine(id, newSecret())
  // A link is never made over a file, and the file is whole when it gets its name.
  writeBeside(path, text, null, (beside) => linkSync(beside, path))
  return idsOf(parseKeys(text, path))
}

/**
 * Changes the keys of a file in one step: readers see the old file or the new one, and its mode and owner stay. A
 * symbolic link stays one.
 *
 * @throws OverlayError KEY_FILE_INVALID when the file cannot be used, or has no second key to activate
 */
export function rotateKeys(path: string, rotation: Rotation): KeyIds {
  parseKeys(readKeyText(path), path)
  const place = realpathSync(path)
  const stats = statSync(place)
  let text = ''
  writeBeside(
    place,
    () => {
      // Read again now that no other rotation is under way.
      text = rotated(readKeyText(place), place, rotation)
      return text
    },
    stats,
    (beside) => renameSync(beside, place),
  )
  return idsOf(parseKeys(text, path))
}

function rotated(text: string, path: string, rotation: Rotation): string {
  const ring = parseKeys(text, path)
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (rotation === 'activate') {
    if (ring.previous === null) {
      throw new OverlayError('KEY_FILE_INVALID', `key file ${path} holds one key: there is none to activate`, {
        suggestions: [`overlay key rotate ${path} --prepare`],
      })
    }

    return `${lines[1]}\n${lines[0]}\n`
  }

  const fresh = keyLine(nextId(ring), newSecret())
  return rotation === 'prepare' ? `${lines[0]}\n${fresh}` : `${fresh}${lines[0]}\n`
}

/** One more than the highest, so that ids tell which key is newer; the lowest that is free after the last. */
function nextId({current, previous}: KeyRing): number {
  const used = [current.id, previous?.id ?? current.id]
  const next = Math.max(...used) + 1
  if (next <= HIGHEST_ID) return next
  return [1, 2, 3].find((id) => !used.includes(id)) ?? 1
}

function newSecret(): string {
  return randomBytes(32).toString('hex')
}

function keyLine(id: number, secret: string): string {
  return `${id} ${secret}\n`
}

function idsOf({current, previous}: KeyRing): KeyIds {
  return {current: current.id, previous: previous?.id ?? null}
}

/** Writes a file of a name that only one change at a time can have, and lets `place` put it where it belongs. */
function writeBeside(
  path: string,
  text: string | (() => string),
  like: Stats | null,
  place: (beside: string) => void,
): void {
  const beside = join(dirname(path), `.${basename(path)}.overlay-new`)
  const fd = openAlone(beside, path)
  try {
    try {
      if (like !== null) {
        fchownSync(fd, like.uid, like.gid)
        fchmodSync(fd, like.mode & 0o777)
      }

      writeFileSync(fd, typeof text === 'string' ? text : text())
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }

    place(beside)
  } catch (error) {
    throw error instanceof OverlayError ? error : placeError(path, error as NodeJS.ErrnoException)
  } finally {
    removeIfThere(beside)
  }
}

function openAlone(beside: string, path: string): number {
  for (let attempt = 0; ; attempt++) {
    try {
      return openSync(beside, 'wx', 0o600)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 0) {
        throw placeError(path, error as NodeJS.ErrnoException)
      }

      removeIfStale(beside, path)
    }
  }
}

function removeIfStale(beside: string, path: string): void {
  const stats = statSync(beside, {throwIfNoEntry: false})
  if (stats && Date.now() - stats.mtimeMs < STALE_MS) {
    throw new OverlayError('ALREADY_EXISTS', `key file ${path} is being changed by another command`, {
      suggestions: [`run it again in ${STALE_MS / 1000} s; what a killed command left is removed then`],
    })
  }

  removeIfThere(beside)
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function placeError(path: string, {code}: NodeJS.ErrnoException): OverlayError {
  if (code === 'EEXIST') {
    return new OverlayError('ALREADY_EXISTS', `${path} exists, and a key file is never overwritten`, {
      suggestions: [`overlay key rotate ${path}`, 'choose another name'],
    })
  }

  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new OverlayError('PRIVILEGE_MISSING', `key file ${path} cannot be written`, {
      cause: code,
      suggestions: ['run as the owner of the directory and the file, or as root'],
    })
  }

  return new OverlayError('KEY_FILE_INVALID', `key file ${path} cannot be written`, {cause: code})
}
