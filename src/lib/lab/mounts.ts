import {mkdirSync, rmdirSync, rmSync} from 'node:fs'
import {dirname, join} from 'node:path'

import {OverlayError} from '../errors/index.js'
import {systemCallError} from '../kernel/errno.js'
import {sys} from '../kernel/libc.js'
import {type Mount, mounts} from '../kernel/mount-info.js'
import {labDirectory, labsDirectory} from './state.js'

const MNT_DETACH = 2

/**
 * Mounts what `ip netns exec` hides by mounting /sys anew: a bpffs for each host at `<lab>/<host>/bpf`, and the cgroup2
 * hierarchy at `<lab>/cgroup`. Processes started in the namespaces later see them.
 */
export function mountLab(labName: string, hosts: readonly string[]): void {
  const directory = labDirectory(labName)
  for (const host of hosts) mountAt('bpf', join(directory, host, 'bpf'))
  mountAt('cgroup2', join(directory, 'cgroup'))
}

/**
 * Unmounts everything below the lab's directory and removes the directory. Removes nothing while something is mounted
 * there: removing through a mount would reach what it shows.
 *
 * @throws OverlayError SYSTEM_CALL_FAILED
 */
export function removeDirectory(labName: string): void {
  const directory = labDirectory(labName)
  for (const target of mountsBelow(directory)) {
    if (sys.umount2(target, MNT_DETACH) !== 0) throw systemCallError(`umount ${target}`)
  }

  if (mountsBelow(directory).length > 0) {
    throw new OverlayError('SYSTEM_CALL_FAILED', `something is still mounted in the directory of lab ${labName}`)
  }

  rmSync(directory, {recursive: true, force: true})
  // The last lab takes the directories above with it.
  for (const parent of [labsDirectory(), dirname(labsDirectory())]) {
    try {
      rmdirSync(parent)
    } catch {
      return
    }
  }
}

/** Mount points below a directory, the deepest first. */
export function mountsBelow(directory: string, all: readonly Mount[] = mounts()): string[] {
  return all
    .map((mount) => mount.path)
    .filter((path) => path.startsWith(`${directory}/`))
    .sort((a, b) => b.length - a.length)
}

/** A file system of its own for a directory in a lab; it goes with the lab. @param bytes that fit on it */
export function mountDisk(directory: string, bytes: number): void {
  mountAt('tmpfs', directory, `size=${bytes},mode=700`)
}

function mountAt(type: string, target: string, options: string | null = null): void {
  mkdirSync(target, {recursive: true})
  if (sys.mount(type, target, type, 0, options) !== 0) throw systemCallError(`mount ${type} at ${target}`)
}
