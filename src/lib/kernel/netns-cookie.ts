import {systemCallError} from './errno.js'
import {allocate, sys} from './libc.js'

const AF_INET = 2
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000
const SOL_SOCKET = 1
const SO_NETNS_COOKIE = 71

/**
 * The number by which the kernel knows this process's network namespace (SO_NETNS_COOKIE, Linux 5.14), the same that
 * bpf_get_netns_cookie() gives a program.
 */
export function netnsCookie(): bigint {
  const fd = sys.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0)
  if (fd < 0) throw systemCallError('socket for SO_NETNS_COOKIE')
  const value = allocate(8)
  const length = allocate(4)
  length.bytes.writeUInt32LE(8)
  const failed = sys.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, value.address, length.address) !== 0
  const error = failed ? systemCallError('getsockopt SO_NETNS_COOKIE') : null
  sys.close(fd)
  if (error) throw error
  return value.bytes.readBigUInt64LE()
}
