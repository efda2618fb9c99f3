import {createHmac} from 'node:crypto'
import {closeSync, fstatSync, openSync, readFileSync} from 'node:fs'

import {OverlayError} from '../errors/index.js'

/** A region's shared secret. Never printed: {@link Key.toJSON} and inspection show the id alone. */
export class Key {
  /** 1 to 65535; travels in the clear, so that a receiver knows which key to check with. */
  readonly id: number
  readonly #secret: Buffer

  /** @param secret 32 bytes */
  constructor(id: number, secret: Buffer) {
    this.id = id
    this.#secret = secret
  }

  /**
   * A key for one purpose, derived from the secret so that no two uses share one: HMAC-SHA-256(secret, purpose).
   *
   * @param purpose a fixed string, e.g. `overlay preamble v1`
   * @param length bytes wanted, at most 32
   */
  derive(purpose: string, length: number): Buffer {
    return createHmac('sha256', this.#secret).update(purpose).digest().subarray(0, length)
  }

  toJSON(): {id: number} {
    return {id: this.id}
  }
}

/** The keys of one file: the first is used to send, both are accepted. */
export interface KeyRing {
  readonly current: Key
  readonly previous: Key | null
}

const LINE = /^(\d{1,5})\s+([\dA-Fa-f]{64})$/

/**
 * Reads a key file: one or two lines `<id> <64 hex digits>`, empty lines and `#` comments allowed. The first key is used
 * to send, both are accepted. To rotate without refusing anybody: add the new key as the second line on every host, then
 * make it the first on every host, then remove the old one.
 *
 * @throws OverlayError KEY_FILE_INVALID when it is missing, readable by others than its owner, or malformed. The message
 * names the line, never what stands in it.
 */
export function readKeyFile(path: string): KeyRing {
  return parseKeys(readKeyText(path), path)
}

/**
 * The text of a key file.
 *
 * @throws OverlayError KEY_FILE_INVALID when it is missing or readable by others than its owner
 */
export function readKeyText(path: string): string {
  let fd = -1
  try {
    fd = openSync(path, 'r')
    const {mode} = fstatSync(fd)
    if ((mode & 0o077) !== 0) {
      throw new OverlayError(
        'KEY_FILE_INVALID',
        `key file ${path} is open to others (mode ${(mode & 0o777).toString(8)})`,
        {
          suggestions: [`chmod 600 ${path}`],
        },
      )
    }

    return readFileSync(fd, 'utf8')
  } catch (error) {
    if (error instanceof OverlayError) throw error
    throw new OverlayError('KEY_FILE_INVALID', `key file ${path} cannot be read`, {
      cause: (error as NodeJS.ErrnoException).code,
      suggestions: [`overlay key new ${path}`],
    })
  } finally {
    if (fd >= 0) closeSync(fd)
  }
}

/** The same from text; `path` is for messages. */
export function parseKeys(text: string, path: string): KeyRing {
  const keys: Key[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const match = LINE.exec(line)
    const id = Number(match?.[1])
    if (!match || id < 1 || id > 65_535) {
      throw new OverlayError('KEY_FILE_INVALID', `key file ${path}, line ${index + 1}: not "<id> <64 hex digits>"`, {
        suggestions: ['an id is 1 to 65535; make a secret with: openssl rand -hex 32'],
      })
    }

    if (keys.some((key) => key.id === id)) {
      throw new OverlayError('KEY_FILE_INVALID', `key file ${path}, line ${index + 1}: key id ${id} stands there twice`)
    }

    keys.push(new Key(id, Buffer.from(match[2], 'hex')))
  }

  if (keys.length === 0) throw new OverlayError('KEY_FILE_INVALID', `key file ${path} holds no key`)
  if (keys.length > 2) {
    throw new OverlayError('KEY_FILE_INVALID', `key file ${path} holds ${keys.length} keys; at most two are accepted`)
  }

  return {current: keys[0], previous: keys[1] ?? null}
}
