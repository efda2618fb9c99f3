import {mkdirSync, rmdirSync} from 'node:fs'
import {join} from 'node:path'

import {systemCallError} from '../kernel/errno.js'
import {sys} from '../kernel/libc.js'
import {type Mount, mounts} from '../kernel/mount-info.js'
import {runDirectory} from '../run-directory.js'

function mountsOf(type: string): Mount[] {
  return mounts().filter((mount) => mount.type === type)
}

/** A file system found or mounted. */
export interface FileSystem {
  path: string
  /** True when it was mounted here, and is to be unmounted when nothing of ours is in it any more. */
  mountedHere: boolean
}

/**
 * The bpffs for pins: `<run dir>/bpf` where one is mounted (a lab's host), else /sys/fs/bpf, else one is mounted at the
 * former. systemd mounts /sys/fs/bpf at boot; `ip netns exec` hides it.
 *
 * @throws OverlayError PRIVILEGE_MISSING when there is none and none may be mounted
 */
export function findBpffs(): FileSystem {
  const own = join(runDirectory(), 'bpf')
  const mounted = new Set(mountsOf('bpf').map((mount) => mount.path))
  if (mounted.has(own)) return {path: own, mountedHere: false}
  if (mounted.has('/sys/fs/bpf')) return {path: '/sys/fs/bpf', mountedHere: false}
  return mountAt(own, 'bpf')
}

/**
 * The root of the cgroup2 hierarchy, to which sock_ops programs attach. A part of it that is mounted somewhere (root not
 * `/`) is no use: programs elsewhere would not be seen.
 *
 * @throws OverlayError PRIVILEGE_MISSING when there is none and none may be mounted
 */
export function findCgroup2(): FileSystem {
  const found = mountsOf('cgroup2').find((mount) => mount.root === '/')
  return found ? {path: found.path, mountedHere: false} : mountAt(join(runDirectory(), 'cgroup'), 'cgroup2')
}

function mountAt(path: string, type: string): FileSystem {
  mkdirSync(path, {recursive: true, mode: 0o700})
  if (sys.mount(type, path, type, 0, null) !== 0) throw systemCallError(`mount ${type} at ${path}`)
  return {path, mountedHere: true}
}

/** Undoes what {@link findBpffs} or {@link findCgroup2} mounted; a mount still in use stays. */
export function unmount(path: string): void {
  if (sys.umount2(path, 0) === 0) {
    try {
      rmdirSync(path)
    } catch {
      // Somebody else's file in the directory: not ours to remove.
    }
  }
}
