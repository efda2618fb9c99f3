import {closeSync, openSync} from 'node:fs'

import {OverlayError} from '../errors/index.js'
import {systemCallError} from './errno.js'
import {addressOf, sys} from './libc.js'

const CLONE_NEWNET = 0x40000000
const AF_INET = 2
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000
const SIOCETHTOOL = 0x8946
/** struct ifreq: 16 bytes of name, then a union whose pointer member is used here. */
const IFREQ_BYTES = 40

/** Commands of linux/ethtool.h that take one value, by the names that `ethtool -K` uses. */
const OFFLOADS = {rx: 0x15, tx: 0x17, tso: 0x1f, gso: 0x24, gro: 0x2c} as const

/**
 * Calls `work` with this thread in the namespace of that name. `work` must be synchronous and must start nothing
 * asynchronous: the thread is back in its own namespace when this returns, and a thread or socket made later is too.
 * Files of /proc/sys/net opened in it are the namespace's own.
 *
 * @param name as `ip netns` knows it
 * @throws OverlayError NOT_FOUND when there is no such namespace, PRIVILEGE_MISSING without CAP_SYS_ADMIN
 */
export function insideNamespace<T>(name: string, work: () => T): T {
  const own = openSync('/proc/thread-self/ns/net', 'r')
  let target = -1
  try {
    target = openNamespace(name)
    if (sys.setns(target, CLONE_NEWNET) !== 0) throw systemCallError(`setns to ${name}`)
    try {
      return work()
    } finally {
      // To go on in the wrong namespace would send lab traffic to the host's network.
      if (sys.setns(own, CLONE_NEWNET) !== 0) process.abort()
    }
  } finally {
    if (target >= 0) closeSync(target)
    closeSync(own)
  }
}

/**
 * Switches off segmentation, receive and checksum offloads of an interface in the current namespace, so that what a
 * capture shows is what a wire would carry. A feature that the driver does not have counts as off.
 *
 * @throws OverlayError SYSTEM_CALL_FAILED when there is no such interface
 */
export function disableOffloads(interfaceName: string): void {
  const fd = sys.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0)
  if (fd < 0) throw systemCallError('socket for SIOCETHTOOL')
  try {
    if (sys.if_nametoindex(interfaceName) === 0) throw systemCallError(`if_nametoindex ${interfaceName}`)
    for (const command of Object.values(OFFLOADS)) {
      const value = Buffer.allocUnsafeSlow(8)
      value.writeUInt32LE(command, 0)
      value.writeUInt32LE(0, 4)
      const request = Buffer.allocUnsafeSlow(IFREQ_BYTES).fill(0)
      request.write(interfaceName, 0, 15, 'latin1')
      request.writeBigUInt64LE(BigInt(addressOf(value)), 16)
      sys.ioctl(fd, SIOCETHTOOL, addressOf(request))
    }
  } finally {
    sys.close(fd)
  }
}

function openNamespace(name: string): number {
  try {
    return openSync(`/run/netns/${name}`, 'r')
  } catch (error) {
    throw new OverlayError('NOT_FOUND', `there is no network namespace ${name}`, {cause: error})
  }
}
