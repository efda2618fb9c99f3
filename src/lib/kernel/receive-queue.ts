import {systemCallError, EAGAIN} from './errno.js'
import {allocate, errno, sys, type Memory} from './libc.js'
import {MSG_DONTWAIT, MSG_PEEK} from './socket-constants.js'
import {readTcpInfo, tcpInfo} from './tcp-info.js'

const SIOCINQ = 0x541b

/** States of include/net/tcp_states.h in which the peer's FIN has been received. */
const TCP_CLOSE_WAIT = 8
const TCP_LAST_ACK = 9
const TCP_CLOSING = 11

const number = allocate(4)

/** What a socket has received in order and nobody has read, in bytes; a FIN counts nothing (SIOCINQ, tcp(7)). */
export function unreadLength(fd: number): number {
  if (sys.ioctl(fd, SIOCINQ, number.address) < 0) return 0
  return number.bytes.readInt32LE(0)
}

/**
 * Copies what a socket has received in order and nobody has read; it stays there. Call it only when there is something:
 * else it takes away the error of a connection that was reset.
 *
 * @returns how many bytes were copied: all that there are when they have room
 * @throws OverlayError SYSTEM_CALL_FAILED, also when the connection was reset
 */
export function peekReceiveQueue(fd: number, into: Memory): number {
  const length = sys.recv(fd, into.address, into.bytes.length, MSG_PEEK | MSG_DONTWAIT)
  if (length >= 0) return length
  if (errno() === EAGAIN) return 0
  throw systemCallError('recv of the receive queue')
}

/** Whether the peer's FIN has come, and so has been acknowledged, read or not. */
export function hasReceivedFin(fd: number): boolean {
  if (!readTcpInfo(fd)) return false
  const {state} = tcpInfo
  return state === TCP_CLOSE_WAIT || state === TCP_LAST_ACK || state === TCP_CLOSING
}
