import {CHALLENGE_LENGTH, MAC_LENGTH, type PreambleKey} from '../wire/preamble.js'
import {Connection} from './connection.js'
import {DialHistory, GIVE_UP} from './dial-plan.js'
import type {EdgeGateway} from './edge-dialer.js'
import type {Meter} from './meter.js'
import type {EdgeServiceConfig} from './process-config.js'

export interface EdgeService {
  readonly config: EdgeServiceConfig
  readonly gateways: readonly EdgeGateway[]
  /** 16 bytes. */
  readonly origin: Buffer
  /** Counts its connections, through reloads. */
  readonly meter: Meter
}

/** A client's connection, and what is needed to dial for it again. */
export class EdgeConnection extends Connection {
  service!: EdgeService
  /** Counts those of its client; null when nobody does. */
  client: Meter | null = null
  readonly source = Buffer.alloc(16)
  sourcePort = 0
  counter = 0
  readonly history = new DialHistory()
  step = GIVE_UP
  /** The preamble's key and MAC, which the reply must fit. */
  key!: PreambleKey
  readonly preambleMac = Buffer.alloc(MAC_LENGTH)
  readonly challenge = Buffer.alloc(CHALLENGE_LENGTH)
  challenged = false
  /** Early bytes kept, from HEADROOM of the near side's slab. */
  earlyLength = 0
  /** Bytes of the reply that have come, at 0 of the same slab. */
  replyLength = 0
  connected = false
  /** The replication plane knows the far leg (pairs). */
  farKnown = false
  dialledAt = 0
  connectDeadline = 0
  confirmDeadline = 0
}
