import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {SETTINGS_CLOCK_AT} from '../handshake/settings.js'
import type {AttachmentState} from '../handshake/attachment-state.js'
import {openPinnedMap} from '../kernel/bpf-map.js'
import type {Region} from './stage.js'

const FIRST = Buffer.alloc(4)

/**
 * Lets the time of day of one host jump, as far as it matters: all hosts of a lab share the kernel's clock, and what the
 * handshake plane makes of it is the one thing that both ends of a connection must agree on. Its programs add the jump to
 * every reading from the next packet on.
 *
 * @param runDir of the host
 * @returns false when the handshake plane is not there
 */
export function jumpClock(runDir: string, region: Region, name: string, seconds: number): boolean {
  const state = JSON.parse(readFileSync(join(runDir, region, name, 'handshake.json'), 'utf8')) as AttachmentState
  const map = openPinnedMap(join(state.pins, 'settings'))
  if (map === null) return false
  try {
    const value = map.lookup(FIRST)
    if (value === null) return false
    value.writeInt32LE(value.readInt32LE(SETTINGS_CLOCK_AT) + seconds, SETTINGS_CLOCK_AT)
    map.update(FIRST, value)
    return true
  } finally {
    map.close()
  }
}
