import {errno, sys, type Memory, allocate} from './libc.js'
import {EAGAIN, systemCallError} from './errno.js'
import {IPPROTO_TCP, MSG_DONTWAIT, MSG_PEEK, SOL_SOCKET, SO_REUSEADDR} from './socket-constants.js'

const SIOCOUTQ = 0x5411
const TCP_REPAIR = 19
const TCP_REPAIR_QUEUE = 20
const REPAIR_ON = 1
const REPAIR_OFF_NO_PROBE = -1
const NO_QUEUE = 0
const SEND_QUEUE = 2

const number = allocate(4)

/** What was written to a socket and its peer has not acknowledged, in bytes; a FIN counts one (SIOCOUTQ, tcp(7)). */
export function unacknowledged(fd: number): number {
  if (sys.ioctl(fd, SIOCOUTQ, number.address) < 0) return 0
  return number.bytes.readInt32LE(0)
}

/**
 * Copies what was written to a live socket and its peer has not acknowledged: the last bytes before the next one to be
 * written, all of one instant (tcp_peek_sndq copies both queues under the socket's lock). The socket goes on as before.
 *
 * @param into has room for all of it
 * @returns how many bytes there are
 * @throws OverlayError SYSTEM_CALL_FAILED, PRIVILEGE_MISSING without CAP_NET_ADMIN
 */
export function peekSendQueue(fd: number, into: Memory): number {
  set(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
  try {
    set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)
    const length = sys.recv(fd, into.address, into.bytes.length, MSG_PEEK | MSG_DONTWAIT)
    const error = length < 0 ? errno() : 0
    set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, NO_QUEUE)
    if (error === EAGAIN) return 0
    if (error !== 0) throw systemCallError('recv of the send queue', error)
    return length
  } finally {
    set(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_NO_PROBE)
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1)
  }
}

function set(fd: number, level: number, option: number, value: number): void {
  number.bytes.writeInt32LE(value, 0)
  if (sys.setsockopt(fd, level, option, number.address, 4) < 0) throw systemCallError(`socket option ${option}`)
}
