import type {RawEndpoint} from '../wire/leg-record.js'
import {systemCallError} from './errno.js'
import {allocate, sys} from './libc.js'
import {SOCKADDR_LENGTH, readSockaddr} from './sockaddr.js'

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

function nameOf(fd: number, call: 'getpeername' | 'getsockname'): RawEndpoint {
  length.bytes.writeUInt32LE(SOCKADDR_LENGTH, 0)
  if (sys[call](fd, sockaddr.address, length.address) < 0) throw systemCallError(`${call} of socket ${fd}`)
  const address = Buffer.alloc(16)
  const port = readSockaddr(sockaddr.bytes, address, 0)
  return {address, port}
}
