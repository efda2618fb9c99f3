import {readFileSync, readdirSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {dirname, join} from 'node:path'

import {OverlayError} from '../errors/index.js'
import {instanceDirectory, makePrivateDirectory, runDirectory} from '../run-directory.js'
import type {Role} from './constants.js'
import type {FileSystem} from './mounts.js'

/** Who attached, and so who detaches: a command that ended, or a process that detaches when it stops. */
export type Owner = 'attach' | 'start'

/**
 * What an instance has put into the kernel, written to `<run dir>/<role>/<name>/handshake.json` step by step, so that a
 * later process finds it after any crash: to adopt it, or to take it down.
 */
export interface AttachmentState {
  layout: number
  role: Role
  name: string
  owner: Owner
  bpffs: FileSystem
  /** Directory on the bpffs that holds the maps and the sock_ops link. */
  pins: string
  cgroup: FileSystem | null
  interfaces: {name: string; ifindex: number; createdClsact: boolean}[]
  /** Neighbours that the kernel was asked to keep resolved. */
  neighbours: {device: string; address: string}[]
  /** The file name under which overlay_bbr is used, or null. */
  congestionUser: null | string
}

function stateFile(role: Role, name: string): string {
  return join(instanceDirectory(role, name), 'handshake.json')
}

/** The state of an instance, or null when nothing of that name is attached. */
export function readState(role: Role, name: string): AttachmentState | null {
  let text: string
  try {
    text = readFileSync(stateFile(role, name), 'utf8')
  } catch {
    return null
  }

  try {
    return JSON.parse(text) as AttachmentState
  } catch (error) {
    throw new OverlayError('INPUT_INVALID', `${stateFile(role, name)} is damaged`, {
      cause: error,
      suggestions: [`remove it, and the filters with: tc qdisc del dev INTERFACE clsact`],
    })
  }
}

/** Written aside and renamed, so that a crash leaves the old or the new one. */
export function writeState(state: AttachmentState): void {
  const file = stateFile(state.role, state.name)
  makePrivateDirectory(dirname(file))
  writeFileSync(`${file}.new`, JSON.stringify(state, null, 2) + '\n', {mode: 0o600})
  renameSync(`${file}.new`, file)
}

/** Removes the file, and the instance's directory when nothing else is in it. */
export function removeState(role: Role, name: string): void {
  const file = stateFile(role, name)
  rmSync(file, {force: true})
  rmSync(`${file}.new`, {force: true})
  removeEmptyParents(dirname(file))
}

function removeEmptyParents(directory: string): void {
  const top = dirname(runDirectory())
  for (let path = directory; path !== top && path.length > 1; path = dirname(path)) {
    try {
      if (readdirSync(path).length > 0) return
      rmSync(path, {recursive: true})
    } catch {
      return
    }
  }
}

/** The names of the instances of a role that have something attached. */
export function attachedNames(role: Role): string[] {
  try {
    return readdirSync(join(runDirectory(), role)).filter((name) => {
      try {
        return readState(role, name) !== null
      } catch {
        return false
      }
    })
  } catch {
    return []
  }
}
