import {addressBytes} from '../wire/endpoint.js'
import {LEG_SACK, LEG_TIMESTAMPS, LEG_WINDOW_SCALING, type LegRecord} from '../wire/leg-record.js'
import {OverlayError} from '../errors/index.js'
import {allocate, sys} from './libc.js'
import {systemCallError} from './errno.js'
import {IPPROTO_TCP, TCP_INFO} from './socket-constants.js'
import {readConnection} from './tcp-repair.js'

const INFO_LENGTH = 136
const OFFSET_BYTES_RECEIVED = 128

/** Readings that new segments may spoil one after the other. */
const ATTEMPTS = 50

const info = allocate(INFO_LENGTH)
const length = allocate(4)

/** A connection of ours at an instant. Sequence numbers are host order, modulo 2^32. */
export interface LegState {
  readonly record: LegRecord
  /** The next byte expected, FINs not counted. */
  readonly receiveNext: number
  /** What the peer may send up to: the end of the window that was advertised last. */
  readonly rightEdge: number
}

/**
 * Reads a connected socket to which nothing was written yet, and finds its initial sequence numbers exactly: both
 * rcv_nxt and bytes_received grow in the same step (tcp_rcv_nxt_update, a FIN counted in both), so with the same
 * bytes_received before and after, the rcv_nxt between belongs to it.
 *
 * @throws OverlayError SYSTEM_CALL_FAILED (ENOTCONN: it is not connected), PRIVILEGE_MISSING without CAP_NET_ADMIN,
 * DEADLINE_EXCEEDED when segments keep coming in between
 */
export function readLeg(fd: number): LegState {
  let received = bytesReceived(fd)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const connection = readConnection(fd)
    const after = bytesReceived(fd)
    if (after !== received) {
      received = after
      continue
    }

    const {window, receiveNext} = connection
    const counted = receiveNext + (connection.finReceived ? 1 : 0)
    const options =
      (connection.timestamps ? LEG_TIMESTAMPS : 0) |
      (connection.sack ? LEG_SACK : 0) |
      (connection.windowScaling ? LEG_WINDOW_SCALING : 0)
    return {
      record: {
        local: {address: addressBytes(connection.local.address), port: connection.local.port},
        remote: {address: addressBytes(connection.remote.address), port: connection.remote.port},
        iss: (connection.sendNext - 1) >>> 0,
        irs: (counted - received - 1) >>> 0,
        mss: connection.maximumSegmentSize,
        sendScale: connection.sendScale,
        receiveScale: connection.receiveScale,
        options,
        timestamp: connection.timestamp,
        ageMs: 0,
        windows: [
          window.sendUpdate,
          window.sendWindow,
          window.maximumWindow,
          window.receiveWindow,
          window.receiveUpdate,
        ],
      },
      receiveNext,
      rightEdge: (window.receiveUpdate + window.receiveWindow) >>> 0,
    }
  }

  throw new OverlayError('DEADLINE_EXCEEDED', `socket ${fd} receives too fast to be read`)
}

function bytesReceived(fd: number): number {
  length.bytes.writeUInt32LE(INFO_LENGTH, 0)
  if (sys.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info.address, length.address) < 0) throw systemCallError('TCP_INFO')
  return info.bytes.readUInt32LE(OFFSET_BYTES_RECEIVED) + info.bytes.readUInt32LE(OFFSET_BYTES_RECEIVED + 4) * 2 ** 32
}
