import {createHmac, timingSafeEqual} from 'node:crypto'

import {
  AUTH_LENGTH,
  FrameHeader,
  FrameType,
  HELLO_LENGTH,
  REFUSE_LENGTH,
  ReplicationProtocolError,
} from '../wire/replication-frame.js'
import type {Key, KeyRing} from '../keys/key-file.js'
import type {Send} from './backup.js'
import {Standing, type Member} from './ownership.js'

/** What keys of a key file are derived for. */
export const REPLICATION_PURPOSE = 'overlay replication v1'

/** A key of the region, derived for {@link REPLICATION_PURPOSE}: 32 bytes. */
export interface LinkKey {
  readonly id: number
  readonly secret: Buffer
}

export interface LinkKeys {
  readonly current: LinkKey
  readonly previous: LinkKey | null
}

/** The keys of a key file, derived for links. */
export function linkKeys({current, previous}: KeyRing): LinkKeys {
  return {current: linkKey(current), previous: previous === null ? null : linkKey(previous)}
}

function linkKey(key: Key): LinkKey {
  return {id: key.id, secret: key.derive(REPLICATION_PURPOSE, 32)}
}

/** Versions of this protocol that are spoken here. */
export const LOWEST_VERSION = 1
export const HIGHEST_VERSION = 1

/** Why a REFUSE was sent. */
export const RefuseReason = {VERSION: 1, FULL: 2} as const

/** Who has dialled. The two sides' MACs differ by it, so that none can be sent back to its maker. */
export type Side = 'connecting' | 'accepting'

/** A link that is set up. */
export interface Established {
  readonly version: number
  readonly remote: Member
  /** Which process of the other server this is, from 0: each has a link of its own. */
  readonly processIndex: number
}

/**
 * How a link begins: both send HELLO, then AUTH over both HELLOs. HELLO, 32 bytes, big-endian:
 *
 *      0  lowest version   u16
 *      2  highest version  u16
 *      4  epoch            u32
 *      8  standing         u8, {@link Standing}
 *      9  reserved         u8, 0
 *     10  process index    u16
 *     12  key id           u16, of the key that this side proves itself with
 *     14  reserved         u16, 0
 *     16  random           16 bytes
 */
export class LinkSetup {
  readonly #keys: LinkKeys
  readonly #side: Side
  readonly #send: Send
  readonly #own = Buffer.alloc(HELLO_LENGTH)
  readonly #header = new FrameHeader()
  #remote: Buffer | null = null
  #version = 0
  #established: Established | null = null
  #refused: number | null = null

  /** @param local its random is 16 bytes never used before */
  constructor(
    keys: LinkKeys,
    side: Side,
    local: Member,
    processIndex: number,
    send: Send,
    versions: readonly [number, number] = [LOWEST_VERSION, HIGHEST_VERSION],
  ) {
    this.#keys = keys
    this.#side = side
    this.#send = send
    this.#own.writeUInt16BE(versions[0], 0)
    this.#own.writeUInt16BE(versions[1], 2)
    this.#own.writeUInt32BE(local.epoch, 4)
    this.#own[8] = local.standing
    this.#own.writeUInt16BE(processIndex, 10)
    this.#own.writeUInt16BE(keys.current.id, 12)
    local.random.copy(this.#own, 16, 0, 16)
  }

  /** Not null once the other side has proved itself. */
  get established(): Established | null {
    return this.#established
  }

  /** The reason of a REFUSE, sent or received; the link is closed then. Not authenticated: for messages only. */
  get refused(): number | null {
    return this.#refused
  }

  /** Sends our HELLO. */
  begin(): void {
    this.#frame(FrameType.HELLO, this.#own)
  }

  /**
   * A frame of the other side.
   *
   * @throws ReplicationProtocolError to close the link without a word: a wrong MAC, an unknown key, a malformed HELLO, a
   * frame out of order
   */
  frame(header: FrameHeader, payload: Buffer): void {
    if (this.#refused !== null || this.#established !== null) {
      throw new ReplicationProtocolError('a frame after the end of the set-up')
    }

    if (header.type === FrameType.REFUSE) this.#refused = payload.readUInt16BE(2)
    else if (header.type === FrameType.HELLO && this.#remote === null) this.#hello(Buffer.from(payload))
    else if (header.type === FrameType.AUTH && this.#remote !== null) this.#auth(this.#remote, payload)
    else throw new ReplicationProtocolError(`frame type ${header.type} out of order`)
  }

  #hello(hello: Buffer): void {
    const lowest = Math.max(hello.readUInt16BE(0), this.#own.readUInt16BE(0))
    const highest = Math.min(hello.readUInt16BE(2), this.#own.readUInt16BE(2))
    if (lowest > highest) {
      this.#refused = RefuseReason.VERSION
      const refuse = Buffer.alloc(REFUSE_LENGTH)
      refuse.writeUInt16BE(this.#own.readUInt16BE(2), 0)
      refuse.writeUInt16BE(RefuseReason.VERSION, 2)
      this.#frame(FrameType.REFUSE, refuse)
      return
    }

    if (hello[8] < Standing.OWNER || hello[8] > Standing.FRESH_BACKUP) {
      throw new ReplicationProtocolError(`standing ${hello[8]} is unknown`)
    }

    if (hello[9] !== 0 || hello.readUInt16BE(14) !== 0)
      throw new ReplicationProtocolError('reserved bytes are not zero')
    this.#version = highest
    this.#remote = hello
    this.#frame(FrameType.AUTH, this.#mac(this.#side, this.#own.readUInt16BE(12), hello))
  }

  #auth(hello: Buffer, mac: Buffer): void {
    const expected = this.#mac(this.#side === 'connecting' ? 'accepting' : 'connecting', hello.readUInt16BE(12), hello)
    if (mac.length !== AUTH_LENGTH || !timingSafeEqual(expected, mac)) {
      throw new ReplicationProtocolError('the other side does not hold the key')
    }

    this.#established = {
      version: this.#version,
      processIndex: hello.readUInt16BE(10),
      remote: {
        standing: hello[8] as Standing,
        epoch: hello.readUInt32BE(4),
        random: Buffer.from(hello.subarray(16, 32)),
      },
    }
  }

  /** HMAC-SHA-256 over: who proves itself, the connecting side's HELLO, the accepting side's. */
  #mac(prover: Side, keyId: number, remote: Buffer): Buffer {
    const {current, previous} = this.#keys
    const key = current.id === keyId ? current : previous?.id === keyId ? previous : null
    if (key === null) throw new ReplicationProtocolError(`key id ${keyId} is not in the key file`)
    const hellos = this.#side === 'connecting' ? [this.#own, remote] : [remote, this.#own]
    return createHmac('sha256', key.secret).update(prover).update(hellos[0]).update(hellos[1]).digest()
  }

  #frame(type: FrameType, payload: Buffer): void {
    this.#header.type = type
    this.#header.length = payload.length
    this.#send(this.#header, payload, 0)
  }
}
