import {allocate, sys} from './libc.js'
import {IPPROTO_TCP, TCP_INFO} from './socket-constants.js'

/** Enough of struct tcp_info (include/uapi/linux/tcp.h) to reach tcpi_bytes_acked. */
const LENGTH = 128
const OFFSET_STATE = 0
const OFFSET_LAST_ACK_RECEIVED = 56
const OFFSET_RTT = 68
const OFFSET_BYTES_ACKED = 120

const info = allocate(LENGTH)
const length = allocate(4)

/** TCP_CLOSE of include/net/tcp_states.h: the kernel has given the connection up. */
export const TCP_CLOSE = 7

/** A reading of TCP_INFO; one object, overwritten by the next call. */
export const tcpInfo = {
  /** A number of include/net/tcp_states.h. */
  state: 0,
  /** ms since any segment with an acknowledgement came, in order or not (tcpi_last_ack_recv). */
  lastAckReceivedMs: 0,
  /** The kernel's smoothed round-trip time of this socket, in ms. */
  rttMs: 0,
  /**
   * Bytes that the peer's kernel has acknowledged. The SYN counts one (tcp_snd_una_update), so a peer that has taken a
   * byte of data shows at least 2. It stays readable after a reset.
   */
  bytesAcked: 0,
}

/** Reads TCP_INFO of a socket into {@link tcpInfo}; false when the descriptor is no TCP socket. */
export function readTcpInfo(fd: number): boolean {
  length.bytes.writeUInt32LE(LENGTH, 0)
  if (sys.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info.address, length.address) < 0) return false
  tcpInfo.state = info.bytes[OFFSET_STATE]
  tcpInfo.lastAckReceivedMs = info.bytes.readUInt32LE(OFFSET_LAST_ACK_RECEIVED)
  tcpInfo.rttMs = info.bytes.readUInt32LE(OFFSET_RTT) / 1000
  tcpInfo.bytesAcked =
    info.bytes.readUInt32LE(OFFSET_BYTES_ACKED) + info.bytes.readUInt32LE(OFFSET_BYTES_ACKED + 4) * 4_294_967_296
  return true
}
