import type {Endpoint} from '../wire/endpoint.js'

/** tcp_states.h: what a connection may be in when it is read. */
export const TcpState = {
  ESTABLISHED: 1,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  CLOSING: 11,
} as const

/** After these the peer's FIN has come, and it counts one in receive sequence numbers. */
const FIN_RECEIVED = new Set<number>([TcpState.CLOSE_WAIT, TcpState.LAST_ACK, TcpState.CLOSING])
/** In these our own FIN has its sequence number, sent or not. */
const FIN_SENT = new Set<number>([TcpState.FIN_WAIT1, TcpState.FIN_WAIT2, TcpState.LAST_ACK, TcpState.CLOSING])

/** struct tcp_repair_window of linux/tcp.h. Windows in bytes, already scaled; sequence numbers of 32 bits. */
export interface RepairWindow {
  /** Sequence number of the segment that last changed the send window. */
  sendUpdate: number
  sendWindow: number
  /** The largest send window that the peer has ever offered. */
  maximumWindow: number
  receiveWindow: number
  /** rcv_nxt when the receive window was last advertised: with `receiveWindow` it gives the right edge. */
  receiveUpdate: number
}

/**
 * All that a kernel needs to carry a TCP connection on. Plain data: it may travel to another host as JSON. Sequence
 * numbers are unsigned, of 32 bits, in host order, and never count a FIN.
 */
export interface ConnectionRecord {
  local: Endpoint
  remote: Endpoint
  /** A number of include/net/tcp_states.h. */
  state: number
  /** Of the next byte that the program writes (write_seq); bytes before it may still wait in the send queue. */
  sendNext: number
  /** Of the first byte that the peer has not acknowledged (snd_una). */
  sendUnacknowledged: number
  /** Of the next byte expected from the peer (rcv_nxt); bytes before it may still wait in the receive queue. */
  receiveNext: number
  finSent: boolean
  finReceived: boolean
  /** The peer's MSS option in bytes, not less what our options take (rx_opt.mss_clamp). */
  maximumSegmentSize: number
  windowScaling: boolean
  /** Shifts of the peer's windows and of ours; 0 without window scaling. */
  sendScale: number
  receiveScale: number
  sack: boolean
  timestamps: boolean
  /** What TSval was at `readAtMs`. The lowest bit is its unit: even ms, odd µs (tcp_usec_ts). */
  timestamp: number
  /** CLOCK_MONOTONIC of the reading host. Whoever restores elsewhere puts its own time of arrival here. */
  readAtMs: number
  window: RepairWindow
}

/** CLOCK_MONOTONIC in ms, the clock of {@link ConnectionRecord.readAtMs}. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6

export const hasReceivedFin = (state: number): boolean => FIN_RECEIVED.has(state)
export const hasSentFin = (state: number): boolean => FIN_SENT.has(state)

/**
 * The TSval to go on with: not before anything sent (RFC 7323 section 5, PAWS: the peer drops what is older), and of the
 * same unit.
 *
 * @param nowMs on the clock of `readAtMs`; an earlier time counts as none passed
 * @param marginMs for what was sent between reading and failing, and for the record's way here
 */
export function timestampToRestore(
  {timestamp, readAtMs}: Pick<ConnectionRecord, 'timestamp' | 'readAtMs'>,
  nowMs: number,
  marginMs: number,
): number {
  const elapsedMs = Math.max(0, nowMs - readAtMs) + marginMs
  const microseconds = timestamp & 1
  const ticks = 2 * Math.ceil((elapsedMs * (microseconds ? 1000 : 1)) / 2)
  return (timestamp + ticks) % 2 ** 32
}

/**
 * The window to go on with. The right edge of the receive window stays where the peer has seen it, whatever
 * `receiveNext` says (RFC 9293 section 3.8.6: it never moves back), and the next segment of the peer sets the send
 * window anew: that is why its update is put before anything that the peer will send.
 */
export function windowToRestore({receiveNext, finReceived, window}: ConnectionRecord): RepairWindow {
  const rightEdge = window.receiveUpdate + window.receiveWindow
  const receiveWindow = Math.max((rightEdge - receiveNext) | 0, finReceived ? 1 : 0)
  return {
    sendUpdate: (receiveNext - 1) >>> 0,
    sendWindow: window.sendWindow,
    maximumWindow: Math.max(window.maximumWindow, window.sendWindow),
    receiveWindow,
    receiveUpdate: receiveNext,
  }
}
