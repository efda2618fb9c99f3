import {addressOf} from '../kernel/libc.js'
import {MAC_LENGTH, type PreambleKey} from '../wire/preamble.js'
import {REPLY_LENGTH} from '../wire/reply.js'
import {Connection} from './connection.js'
import type {Meter} from './meter.js'

/** Waiting for the whole preamble. */
export const STATE_PREAMBLE = 2
/** Connecting to the origin. */
export const STATE_CONNECTING = 3
/** The origin is connected; the reply waits for its first byte. */
export const STATE_ANSWERING = 4
/** A reply was the last thing to say; waiting for the edge to close. */
export const STATE_PARTING = 5
/** The origin is connected, and the backup does not know it yet (pairs). */
export const STATE_HOLDING = 6

/** An edge's connection, and the origin's. */
export class GatewayConnection extends Connection {
  /** Index of the listener that took it. */
  listener = 0
  /** Bytes of the preamble that have come, at 0 of the near side's slab. */
  preambleLength = 0
  /** Of these, the preamble itself. */
  preambleEnd = 0
  /** Made when the preamble was accepted, sent with the origin's first byte. */
  readonly reply = Buffer.allocUnsafeSlow(REPLY_LENGTH)
  readonly replyAt = addressOf(this.reply)
  key!: PreambleKey
  readonly preambleMac = Buffer.alloc(MAC_LENGTH)
  /** Its nonce, for as long as nothing was passed on; −1: there is none to give back. */
  counter = -1
  instanceHigh = 0
  instanceLow = 0
  connectStarted = 0
  /** Counts those of its origin; null before one is dialled, and when nobody counts. */
  origin: Meter | null = null
  /** Neighbours in the list of those without a preamble, oldest first. */
  older: GatewayConnection | null = null
  newer: GatewayConnection | null = null
}
