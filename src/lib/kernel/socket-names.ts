import type {RawEndpoint} from '../wire/leg-record.js'
import {systemCallError} from './errno.js'
import {allocate, sys} from './libc.js'
import {SOCKADDR_LENGTH, readSockaddr} from './sockaddr.js'
import {AF_INET, SOL_SOCKET} from './socket-constants.js'

/** include/uapi/asm-generic/socket.h */
const SO_PEERNAME = 28
const SOCKADDR_IN_LENGTH = 16

const sockaddr = allocate(SOCKADDR_LENGTH)
const length = allocate(4)

/** Both ends of a connection. */
export interface SocketNames {
  readonly local: RawEndpoint
  readonly remote: RawEndpoint
}

/**
 * The addresses and ports of a socket that is connected or connecting.
 *
 * @throws OverlayError SYSTEM_CALL_FAILED (ENOTCONN: it is neither)
 */
export function socketNames(fd: number): SocketNames {
  return {local: nameOf(fd, 'getsockname'), remote: nameOf(fd, 'getpeername')}
}

/** The local one alone, also of a socket that is only bound. @throws OverlayError SYSTEM_CALL_FAILED */
export function localName(fd: number): RawEndpoint {
  return nameOf(fd, 'getsockname')
}

/**
 * Whom a socket is connected, connecting or was connected to; SO_PEERNAME also tells what getpeername() does not, before
 * the handshake has ended and after a reset (inet_getname).
 *
 * @param into receives 16 bytes, IPv4 as IPv4-mapped
 * @returns the port, 0 when there is none: `into` is as it was then
 */
export function peerInto(fd: number, into: Uint8Array): number {
  length.bytes.writeUInt32LE(SOCKADDR_LENGTH, 0)
  if (sys.getsockname(fd, sockaddr.address, length.address) < 0) return 0
  // The kernel wants exactly as many bytes as the family has.
  const v4 = sockaddr.bytes.readUInt16LE(0) === AF_INET
  length.bytes.writeUInt32LE(v4 ? SOCKADDR_IN_LENGTH : SOCKADDR_LENGTH, 0)
  if (sys.getsockopt(fd, SOL_SOCKET, SO_PEERNAME, sockaddr.address, length.address) < 0) return 0
  return readSockaddr(sockaddr.bytes, into, 0)
}

function nameOf(fd: number, call: 'getpeername' | 'getsockname'): RawEndpoint {
  length.bytes.writeUInt32LE(SOCKADDR_LENGTH, 0)
  if (sys[call](fd, sockaddr.address, length.address) < 0) throw systemCallError(`${call} of socket ${fd}`)
  const address = Buffer.alloc(16)
  const port = readSockaddr(sockaddr.bytes, address, 0)
  return {address, port}
}
