import {allocate, errno, sys} from './libc.js'
import {AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM, SOL_SOCKET} from './socket-constants.js'

/** Descriptors of one message; the kernel takes 253 (SCM_MAX_FD). */
const BATCH = 128

const SCM_RIGHTS = 1
const MSG_CTRUNC = 0x8
const MSG_CMSG_CLOEXEC = 0x40_00_00_00

/** struct cmsghdr of 64-bit Linux: 8 bytes of length, level, type. */
const CMSG_HEADER = 16
/** struct msghdr of 64-bit Linux. */
const MSGHDR_LENGTH = 56
const IOV_AT = 16
const CONTROL_AT = 32
const CONTROL_LENGTH_AT = 40
const FLAGS_AT = 48

const control = allocate(CMSG_HEADER + BATCH * 4)
const byte = allocate(8)
const vector = allocate(16)
vector.bytes.writeBigUInt64LE(BigInt(byte.address), 0)
vector.bytes.writeBigUInt64LE(1n, 8)
const header = allocate(MSGHDR_LENGTH)
header.bytes.writeBigUInt64LE(BigInt(vector.address), IOV_AT)
header.bytes.writeBigUInt64LE(1n, IOV_AT + 8)
header.bytes.writeBigUInt64LE(BigInt(control.address), CONTROL_AT)
const pairOf = allocate(8)

/**
 * Two connected datagram sockets, closed on exec.
 *
 * @returns both descriptors, or null with errno set
 */
export function datagramPair(): [number, number] | null {
  if (sys.socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pairOf.address) < 0) return null
  return [pairOf.bytes.readInt32LE(0), pairOf.bytes.readInt32LE(4)]
}

/**
 * Gives another process descriptors (unix(7), SCM_RIGHTS), in as many messages as it takes. Never blocks.
 *
 * @returns 0 or the errno
 */
export function sendDescriptors(socket: number, fds: readonly number[]): number {
  for (let at = 0; at < fds.length; at += BATCH) {
    const batch = fds.slice(at, at + BATCH)
    const length = CMSG_HEADER + batch.length * 4
    control.bytes.writeBigUInt64LE(BigInt(length), 0)
    control.bytes.writeInt32LE(SOL_SOCKET, 8)
    control.bytes.writeInt32LE(SCM_RIGHTS, 12)
    for (const [index, fd] of batch.entries()) control.bytes.writeInt32LE(fd, CMSG_HEADER + index * 4)
    header.bytes.writeBigUInt64LE(BigInt(length), CONTROL_LENGTH_AT)
    if (sys.sendmsg(socket, header.address, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return errno()
  }

  return 0
}

/**
 * Takes so many descriptors that were sent before; they are closed on exec.
 *
 * @returns them in order; fewer when they have not all come, or this process may have no more (EMFILE)
 */
export function receiveDescriptors(socket: number, count: number): number[] {
  const fds: number[] = []
  while (fds.length < count) {
    header.bytes.writeBigUInt64LE(BigInt(control.bytes.length), CONTROL_LENGTH_AT)
    if (sys.recvmsg(socket, header.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0) return fds
    const received = Number(header.bytes.readBigUInt64LE(CONTROL_LENGTH_AT))
    if (received < CMSG_HEADER) return fds
    const end = Math.min(Number(control.bytes.readBigUInt64LE(0)), received)
    for (let at = CMSG_HEADER; at + 4 <= end; at += 4) fds.push(control.bytes.readInt32LE(at))
    if ((header.bytes.readInt32LE(FLAGS_AT) & MSG_CTRUNC) !== 0) return fds
  }

  return fds
}
