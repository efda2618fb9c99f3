import {randomBytes} from 'node:crypto'

import {handshakeKey} from '../handshake/suggested-isn.js'
import type {KeyRing} from '../keys/key-file.js'
import {addressBytes, type Endpoint} from '../wire/endpoint.js'
import {
  CHALLENGE_LENGTH,
  MAC_LENGTH,
  MAX_PREAMBLE_LENGTH,
  PREAMBLE_PURPOSE,
  PreambleFields,
  PreambleKey,
  writePreamble,
} from '../wire/preamble.js'
import {copyChallenge, readReply, REFUSALS, replyReason, ReplyStatus} from '../wire/reply.js'
import type {Flow} from './flow.js'

/** A preamble's bytes, and the MAC that the reply is bound to. */
export interface Preamble {
  bytes: Buffer
  mac: Buffer
}

/** What a genuine reply says. */
export interface ReplyAnswer {
  status: 'accepted' | 'challenge' | 'refused'
  /** Of a refusal, as counters and logs of a gateway name it. */
  reason: string
  /** 16 bytes, of a challenge. */
  challenge: Buffer | null
}

/** The current key of a key file, in the forms that a probe needs. */
export class ProbeKeys {
  readonly handshake: Buffer
  readonly preamble: PreambleKey
  /** One run of the probe: to a gateway, an edge that it has not met. */
  readonly #instance = randomBytes(8)
  #counter = 0

  constructor({current}: KeyRing) {
    this.handshake = handshakeKey(current)
    this.preamble = new PreambleKey(current.id, current.derive(PREAMBLE_PURPOSE, 32))
  }

  /**
   * The preamble of a health check to a gateway, which opens nothing: the gateway answers it with a challenge.
   */
  healthCheck(flow: Flow): Preamble {
    const fields = new PreambleFields()
    fields.local = true
    return this.#preamble(flow, fields)
  }

  /**
   * The preamble of a connection to an origin, which the gateway opens.
   *
   * @param challenge 16 bytes that the gateway has asked this run of the probe; null when it has not
   */
  connection(flow: Flow, origin: Endpoint, challenge: Buffer | null): Preamble {
    const fields = new PreambleFields()
    fields.source = addressBytes(flow.local.address)
    fields.sourcePort = flow.local.port
    fields.destination = addressBytes(origin.address)
    fields.destinationPort = origin.port
    fields.challenge = challenge
    return this.#preamble(flow, fields)
  }

  #preamble(flow: Flow, fields: PreambleFields): Preamble {
    fields.timestamp = Date.now()
    fields.instance = this.#instance
    fields.counter = ++this.#counter
    fields.audience = addressBytes(flow.remote.address)
    fields.audiencePort = flow.remote.port
    const bytes = Buffer.alloc(MAX_PREAMBLE_LENGTH)
    const mac = Buffer.alloc(MAC_LENGTH)
    return {bytes: bytes.subarray(0, writePreamble(bytes, 0, fields, this.preamble, mac)), mac}
  }
}

/**
 * Reads the 40 bytes of a reply.
 *
 * @param mac the preamble's that it answers
 * @returns null when no holder of the key made it for that preamble
 */
export function readAnswer(reply: Buffer, keys: ProbeKeys, mac: Buffer): ReplyAnswer | null {
  const status = readReply(reply, 0, keys.preamble, mac)
  if (status < 0) return null
  const challenge = status === ReplyStatus.Challenge ? Buffer.alloc(CHALLENGE_LENGTH) : null
  if (challenge) copyChallenge(reply, 0, challenge)
  return {
    status: challenge ? 'challenge' : status === ReplyStatus.Accepted ? 'accepted' : 'refused',
    reason: REFUSALS[replyReason(reply, 0)] ?? 'unknown',
    challenge,
  }
}
