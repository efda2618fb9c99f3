import {addressOf} from '../kernel/libc.js'
import {MAC_LENGTH, type PreambleKey} from '../wire/preamble.js'
import {REPLY_LENGTH} from '../wire/reply.js'
import {Connection} from './connection.js'
import {flowId} from './flow-id.js'
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
  /** Of its nonce, for as long as nothing was passed on; negated: there is none to give back; 0: it is not known. */
  counter = 0
  instanceHigh = 0
  instanceLow = 0
  connectStarted = 0
  /** Counts those of its origin; null before one is dialled, and when nobody counts. */
  origin: Meter | null = null
  /** Neighbours in the list of those without a preamble, oldest first. */
  older: GatewayConnection | null = null
  newer: GatewayConnection | null = null
}

/** It is, or is being, joined to an origin. */
export function isServed(state: number): boolean {
  return state !== STATE_PREAMBLE && state !== STATE_PARTING
}

/** {@link flowId} of the edge's nonce; null when it has shown none, was refused, or was taken over from another server. */
export function gatewayFlowId({state, counter, instanceHigh, instanceLow}: GatewayConnection): string | null {
  if (!isServed(state) || counter === 0) return null
  return flowId(hex(instanceHigh) + hex(instanceLow), Math.abs(counter))
}

const hex = (word: number): string => word.toString(16).padStart(8, '0')
