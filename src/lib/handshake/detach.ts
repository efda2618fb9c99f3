import {OverlayError} from '../errors/index.js'
import {detach} from './attachment.js'
import {attachedNames, readState} from './attachment-state.js'
import type {Role} from './constants.js'

export interface Detached {
  role: Role
  name: string
  interfaces: string[]
}

/**
 * Takes what stands under a name out of the kernel.
 *
 * @throws OverlayError NOT_RUNNING when nothing of that name is attached
 */
export function detachInstance(role: Role, name: string): Detached {
  const state = readState(role, name)
  if (!state) {
    const others = attachedNames(role)
    throw new OverlayError('NOT_RUNNING', `no ${role} named "${name}" is attached on this host`, {
      suggestions: others.length > 0 ? others.map((other) => `overlay ${role} detach --name ${other}`) : [],
    })
  }

  detach(role, name)
  return {role, name, interfaces: state.interfaces.map((held) => held.name)}
}
