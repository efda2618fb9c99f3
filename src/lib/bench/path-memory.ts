import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import type {Role} from '../handshake/constants.js'
import type {AttachmentState} from '../handshake/attachment-state.js'
import {sys} from '../kernel/libc.js'
import {openPinnedMap} from '../kernel/bpf-map.js'

/** The maps in which a handshake plane remembers the other side: an edge its gateways, a gateway its edges. */
const MEMORY: Record<Role, string> = {edge: 'paths', gateway: 'edges'}

/**
 * Makes the handshake plane of a lab host forget what it knows of the path, as if it had never opened a connection.
 *
 * @param runDir of the host
 * @returns how many entries there were; 0 when nothing of that name is attached
 */
export function forgetPath(runDir: string, role: Role, name: string): number {
  let state: AttachmentState
  try {
    state = JSON.parse(readFileSync(join(runDir, role, name, 'handshake.json'), 'utf8')) as AttachmentState
  } catch {
    return 0
  }

  const map = openPinnedMap(join(state.pins, MEMORY[role]))
  if (!map) return 0
  try {
    const keys = map.keys()
    for (const key of keys) map.delete(key)
    return keys.length
  } finally {
    sys.close(map.fd)
  }
}
