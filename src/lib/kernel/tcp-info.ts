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

/** More of the same struct, up to tcpi_total_retrans. */
const OFFSET_RTT_VARIATION = 72
const OFFSET_CONGESTION_WINDOW = 80
const OFFSET_TOTAL_RETRANSMISSIONS = 100

/** The numbers of include/net/tcp_states.h, as people know them. */
export const TCP_STATES = [
  'unknown',
  'established',
  'syn-sent',
  'syn-received',
  'fin-wait-1',
  'fin-wait-2',
  'time-wait',
  'closed',
  'close-wait',
  'last-ack',
  'listen',
  'closing',
  'new-syn-received',
] as const

export type TcpState = (typeof TCP_STATES)[number]

/** What people want to know of a socket. */
export interface TcpDetail {
  readonly state: TcpState
  /** The kernel's smoothed round-trip time and its mean deviation, ms; null before the first sample. */
  readonly rttMs: number | null
  readonly rttVariationMs: number | null
  /** Segments. */
  readonly congestionWindow: number
  /** Segments sent again in the life of this socket. */
  readonly retransmissions: number
}

/** Reads TCP_INFO for people; null when the descriptor is no TCP socket. */
export function tcpDetail(fd: number): TcpDetail | null {
  if (!readTcpInfo(fd)) return null
  const {bytes} = info
  // Zero stands for no sample (tcp_get_info); a real one is 1 µs at least (tcp_rtt_estimator).
  const sampled = bytes.readUInt32LE(OFFSET_RTT) > 0
  return {
    state: TCP_STATES[tcpInfo.state] ?? 'unknown',
    rttMs: sampled ? tcpInfo.rttMs : null,
    rttVariationMs: sampled ? bytes.readUInt32LE(OFFSET_RTT_VARIATION) / 1000 : null,
    congestionWindow: bytes.readUInt32LE(OFFSET_CONGESTION_WINDOW),
    retransmissions: bytes.readUInt32LE(OFFSET_TOTAL_RETRANSMISSIONS),
  }
}
