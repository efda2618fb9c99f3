import {formatAddress} from '../wire/endpoint.js'
import {LEG_SACK, LEG_TIMESTAMPS, LEG_WINDOW_SCALING, type LegRecord} from '../wire/leg-record.js'
import {monotonicMs, TcpState, type ConnectionRecord} from './connection-record.js'
import {restoreConnection} from './tcp-repair.js'

/** What the peer may send of its own accord until it has heard of us: more than any window that was advertised. */
const RECEIVE_WINDOW = 4_194_304

/** Until the peer's first segment tells its window, we send no more than this. */
const SEND_WINDOW = 65_535
const MAXIMUM_WINDOW = 1_048_576

export interface LegPosition {
  /** Of the next byte that is written, and of the next that the peer sends. Modulo 2^32. */
  readonly sendSequence: number
  readonly receiveSequence: number
  /** How long ago the record's timestamp was read, ms. */
  readonly ageMs: number
  /** Bytes (SO_SNDBUFFORCE; the kernel doubles it). Default: what the kernel tunes by itself. */
  readonly sendBufferBytes?: number
}

/**
 * Makes a socket of a leg that another server has had, in repair: it says nothing before `leaveRepair`. The local address
 * is on this host, and a listener may hold the port.
 *
 * @throws OverlayError SYSTEM_CALL_FAILED naming the step, PRIVILEGE_MISSING without CAP_NET_ADMIN
 */
export function restoreLeg(leg: LegRecord, position: LegPosition): number {
  const {sendSequence, receiveSequence, ageMs, sendBufferBytes} = position
  const nowMs = monotonicMs()
  const record: ConnectionRecord = {
    local: {address: formatAddress(leg.local.address), port: leg.local.port},
    remote: {address: formatAddress(leg.remote.address), port: leg.remote.port},
    state: TcpState.ESTABLISHED,
    sendNext: sendSequence,
    sendUnacknowledged: sendSequence,
    receiveNext: receiveSequence,
    finSent: false,
    finReceived: false,
    maximumSegmentSize: leg.mss,
    windowScaling: (leg.options & LEG_WINDOW_SCALING) !== 0,
    sendScale: leg.sendScale,
    receiveScale: leg.receiveScale,
    sack: (leg.options & LEG_SACK) !== 0,
    timestamps: (leg.options & LEG_TIMESTAMPS) !== 0,
    timestamp: leg.timestamp,
    readAtMs: nowMs - ageMs,
    window: {
      sendUpdate: (receiveSequence - 1) >>> 0,
      sendWindow: SEND_WINDOW,
      maximumWindow: MAXIMUM_WINDOW,
      receiveWindow: RECEIVE_WINDOW,
      receiveUpdate: receiveSequence,
    },
  }
  return restoreConnection(record, {nowMs, sendBufferBytes})
}
