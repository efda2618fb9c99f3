import {mkdirSync} from 'node:fs'
import {join} from 'node:path'

import {OverlayError} from './errors/index.js'

/** Where overlay keeps what must not outlive a boot: `OVERLAY_RUN_DIR`, or /run/overlay. */
export function runDirectory(): string {
  return process.env.OVERLAY_RUN_DIR || '/run/overlay'
}

const NAME = /^[\da-z][\w.-]{0,31}$/i

/**
 * The directory of one edge or gateway on this host. It is not made here.
 *
 * @throws OverlayError USAGE when the name cannot be one
 */
export function instanceDirectory(role: 'edge' | 'gateway', name: string): string {
  if (!NAME.test(name)) {
    throw new OverlayError('USAGE', `"${name}" cannot be a name`, {
      suggestions: ['letters, digits, dot, dash and underscore, 32 at the most, not starting with a dot or dash'],
    })
  }

  return join(runDirectory(), role, name)
}

/** Makes a directory that only its owner may enter, with its parents. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, {recursive: true, mode: 0o700})
}
