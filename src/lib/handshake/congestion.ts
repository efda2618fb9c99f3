import {existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {OverlayError} from '../errors/index.js'
import {unregisterStructOps} from '../kernel/bpf-map.js'
import {BpfObject} from '../kernel/bpf-object.js'
import {bpfObjectPath} from './bpf-objects.js'
import {OVERLAY_BBR} from './constants.js'

/**
 * overlay_bbr is one name for the whole kernel, whatever the network namespace, so every edge and gateway of the machine
 * shares it: each leaves a file here that names the pins it lives by, and the last one to go takes the name back. A file
 * whose pins are gone is of an instance that died with its mount, and counts for nothing.
 */
const USERS = '/run/overlay/congestion'

/** Congestion controls that a socket may ask for. */
export function availableCongestionControls(): string[] {
  return readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8').trim().split(' ')
}

/**
 * Registers overlay_bbr unless it is there, and notes its user.
 *
 * @param user a file-name-safe word for the instance
 * @param pins a directory that exists for as long as the instance is attached
 * @throws OverlayError KERNEL_FEATURE_MISSING when the kernel has no BBR, or will not have it called from BPF
 */
export function useOverlayBbr(user: string, pins: string): void {
  if (!availableCongestionControls().includes('bbr')) {
    throw new OverlayError('KERNEL_FEATURE_MISSING', 'this kernel has no bbr', {suggestions: ['modprobe tcp_bbr']})
  }

  mkdirSync(USERS, {recursive: true, mode: 0o755})
  writeFileSync(join(USERS, user), pins + '\n')
  if (availableCongestionControls().includes(OVERLAY_BBR)) return
  try {
    const object = BpfObject.load(bpfObjectPath('overlay-bbr'))
    object.registerStructOps(OVERLAY_BBR)
    object.close()
  } catch (error) {
    leaveOverlayBbr(user)
    throw error
  }
}

/** Forgets a user; the last one unregisters. Sockets that use it keep it until they close. */
export function leaveOverlayBbr(user: string): void {
  rmSync(join(USERS, user), {force: true})
  forgetDeadUsers()
}

/** Forgets users whose pins are gone, and unregisters when none is left: what a lab that was taken down leaves. */
export function forgetDeadUsers(): void {
  if (!existsSync(USERS)) return
  for (const user of readdirSync(USERS)) {
    const file = join(USERS, user)
    if (!existsSync(readFileSync(file, 'utf8').trim())) rmSync(file, {force: true})
  }

  if (readdirSync(USERS).length > 0) return
  unregisterStructOps(OVERLAY_BBR)
  try {
    rmdirSync(USERS)
  } catch {
    // Somebody registered meanwhile.
  }
}
