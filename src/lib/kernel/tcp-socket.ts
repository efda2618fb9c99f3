import {EINPROGRESS, systemCallError} from './errno.js'
import {allocate, errno, sys} from './libc.js'
import {SOCKADDR_LENGTH, writeSockaddr, type SocketAddress} from './sockaddr.js'
import {
  AF_INET6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_FREEBIND,
  IPV6_V6ONLY,
  IP_BIND_ADDRESS_NO_PORT,
  IP_FREEBIND,
  IP_LOCAL_PORT_RANGE,
  SHUT_WR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SO_COOKIE,
  SO_ERROR,
  SO_LINGER,
  SO_MARK,
  SO_REUSEADDR,
  SO_REUSEPORT,
  TCP_CONGESTION,
  TCP_NODELAY,
  TCP_QUICKACK,
  TCP_RTO_MIN_US,
} from './socket-constants.js'

const one = allocate(4)
one.bytes.writeInt32LE(1, 0)
const number = allocate(4)
const numberLength = allocate(4)
const cookieValue = allocate(8)
const name = allocate(SOCKADDR_LENGTH)
const lingerZero = allocate(8)
lingerZero.bytes.writeInt32LE(1, 0)

/** The name of a congestion control, in memory that setsockopt can read. */
export interface CongestionControl {
  readonly name: string
  readonly at: number
  readonly length: number
}

/** @param name at most 15 characters (TCP_CA_NAME_MAX) */
export function congestionControl(name: string): CongestionControl {
  const memory = allocate(16)
  const length = memory.bytes.write(name, 0, 15, 'latin1')
  return {name, at: memory.address, length}
}

/** A non-blocking TCP socket without Nagle's delay; -1 with errno set when there is none to be had. */
export function tcpSocket(family: number): number {
  const fd = sys.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd >= 0) sys.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, one.address, 4)
  return fd
}

/** True when the kernel took the congestion control for this socket. */
export function setCongestionControl(fd: number, control: CongestionControl): boolean {
  return sys.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, control.at, control.length) === 0
}

/** Sets SO_MARK; false without CAP_NET_ADMIN. */
export function setMark(fd: number, mark: number): boolean {
  number.bytes.writeUInt32LE(mark >>> 0, 0)
  return sys.setsockopt(fd, SOL_SOCKET, SO_MARK, number.address, 4) === 0
}

/**
 * Starts a non-blocking connect.
 *
 * @returns 0 when it is under way or done, else the errno
 */
export function startConnect(fd: number, address: SocketAddress): number {
  return startConnectTo(fd, address.at, address.length)
}

/** The same to a struct sockaddr at an address in memory. */
export function startConnectTo(fd: number, at: number, length: number): number {
  if (sys.connect(fd, at, length) === 0) return 0
  const error = errno()
  return error === EINPROGRESS ? 0 : error
}

/** Has the kernel send the acknowledgement that it owes now, not up to 40 ms later (TCP_QUICKACK). */
export function acknowledgeNow(fd: number): void {
  sys.setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, one.address, 4)
}

/**
 * The least that the kernel adds to a socket's round trip for its retransmission timeout, 200 ms else (TCP_RTO_MIN_US,
 * Linux 6.15). @param us from 2 ticks of the kernel to 200,000. @returns false when the kernel does not take it
 */
export function setRtoMin(fd: number, us: number): boolean {
  number.bytes.writeUInt32LE(us, 0)
  return sys.setsockopt(fd, IPPROTO_TCP, TCP_RTO_MIN_US, number.address, 4) === 0
}

/** The kernel's name of a socket, never used again (SO_COOKIE): 8 bytes in the machine's order, as BPF programs have it. */
export function socketCookie(fd: number): Buffer {
  const cookie = Buffer.alloc(8)
  numberLength.bytes.writeUInt32LE(8, 0)
  if (sys.getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookieValue.address, numberLength.address) < 0) {
    throw systemCallError('getsockopt SO_COOKIE')
  }

  cookieValue.bytes.copy(cookie)
  return cookie
}

/** SO_ERROR: why a connection failed, 0 when it did not. Reading it clears it. */
export function takeSocketError(fd: number): number {
  numberLength.bytes.writeUInt32LE(4, 0)
  if (sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, number.address, numberLength.address) < 0) return errno()
  return number.bytes.readInt32LE(0)
}

/** Closes with an RST instead of a FIN, and drops what was not yet sent: SO_LINGER {on, 0 s}. */
export function closeWithReset(fd: number): void {
  sys.setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerZero.address, 8)
  sys.close(fd)
}

export function shutdownWrite(fd: number): void {
  sys.shutdown(fd, SHUT_WR)
}

/** Ports that connect() may choose from for this socket (IP_LOCAL_PORT_RANGE, Linux 6.3); without it the host's. */
export function setLocalPortRange(fd: number, low: number, high: number): boolean {
  number.bytes.writeUInt32LE(((high << 16) | low) >>> 0, 0)
  return sys.setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, number.address, 4) === 0
}

/**
 * Gives a socket its address and leaves the port to connect(), which then needs no port of its own for each destination
 * (IP_BIND_ADDRESS_NO_PORT).
 *
 * @param address 16 bytes, IPv4 as IPv4-mapped
 * @returns 0 or the errno
 */
export function bindAddressNoPort(fd: number, address: Uint8Array): number {
  sys.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, one.address, 4)
  const length = writeSockaddr(name.bytes, address, 0, 0)
  return sys.bind(fd, name.address, length) < 0 ? errno() : 0
}

function allowForeignAddress(fd: number, family: number): void {
  if (family === AF_INET6) sys.setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, one.address, 4)
  else sys.setsockopt(fd, IPPROTO_IP, IP_FREEBIND, one.address, 4)
}

export interface ListenOptions {
  /** Share the port with other sockets of this user that ask the same. */
  reusePort: boolean
  backlog: number
  /** The address need not be on this host (yet). */
  freebind?: boolean
}

/**
 * A listening TCP socket.
 *
 * @returns the descriptor, or the errno negated. An IPv6 address takes IPv6 only, so that `[::]` and `0.0.0.0` can be
 * listened on side by side.
 */
export function listenOn(address: SocketAddress, options: ListenOptions): number {
  const fd = tcpSocket(address.family)
  if (fd < 0) return -errno()
  sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one.address, 4)
  if (options.reusePort) sys.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, one.address, 4)
  if (address.family === AF_INET6) sys.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, one.address, 4)
  if (options.freebind) allowForeignAddress(fd, address.family)
  if (sys.bind(fd, address.at, address.length) < 0 || sys.listen(fd, options.backlog) < 0) {
    const error = errno()
    sys.close(fd)
    return -error
  }

  return fd
}
