import {systemCallError} from './errno.js'
import {allocate, errno, sys} from './libc.js'
import type {SocketAddress} from './sockaddr.js'
import {IPPROTO_TCP, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET, TCP_NODELAY} from './socket-constants.js'
import {listenOn} from './tcp-socket.js'

/** include/uapi/asm-generic/socket.h, and F_SETFL of fcntl.h. */
const SO_RCVTIMEO = 20
const SO_SNDTIMEO = 21
const F_SETFL = 4

const one = allocate(4)
one.bytes.writeInt32LE(1)
/** struct timeval with 64-bit members. */
const timeval = allocate(16)

/**
 * A blocking TCP socket without Nagle's delay, for processes that measure: nothing stands between the kernel's answer and
 * the next instruction.
 *
 * @param timeoutMs how long connect(), send() and recv() may each block; they then fail with EINPROGRESS or EAGAIN
 * @throws OverlayError SYSTEM_CALL_FAILED
 */
export function blockingSocket(family: number, timeoutMs: number): number {
  const fd = sys.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)
  if (fd < 0) throw systemCallError('socket')
  prepare(fd, timeoutMs)
  return fd
}

/**
 * A listening socket whose accept() blocks for at most `timeoutMs`, then fails with EAGAIN.
 *
 * @throws OverlayError SYSTEM_CALL_FAILED
 */
export function blockingListener(address: SocketAddress, timeoutMs: number): number {
  const fd = listenOn(address, {reusePort: false, backlog: 128})
  if (fd < 0) throw systemCallError(`listen on ${address.endpoint.address}:${address.endpoint.port}`, -fd)
  if (sys.fcntl(fd, F_SETFL, 0) < 0) throw systemCallError('fcntl')
  setTimeouts(fd, timeoutMs)
  return fd
}

/** The next connection, blocking as {@link blockingSocket}'s; -1 with errno set when none came. */
export function acceptBlocking(listener: number, timeoutMs: number): number {
  const fd = sys.accept4(listener, 0, 0, SOCK_CLOEXEC)
  if (fd >= 0) prepare(fd, timeoutMs)
  return fd
}

/**
 * Sends all of it.
 *
 * @param at where it lies in memory
 * @returns 0, or the errno that ended it
 */
export function sendAll(fd: number, at: number, length: number): number {
  for (let sent = 0; sent < length;) {
    const count = sys.send(fd, at + sent, length - sent, MSG_NOSIGNAL)
    if (count < 0) return errno()
    sent += count
  }

  return 0
}

function prepare(fd: number, timeoutMs: number): void {
  sys.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, one.address, 4)
  setTimeouts(fd, timeoutMs)
}

function setTimeouts(fd: number, timeoutMs: number): void {
  timeval.bytes.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0)
  timeval.bytes.writeBigInt64LE(BigInt((timeoutMs % 1000) * 1000), 8)
  for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) sys.setsockopt(fd, SOL_SOCKET, option, timeval.address, 16)
}
