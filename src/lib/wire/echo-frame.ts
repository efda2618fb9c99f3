import {timingSafeEqual} from 'node:crypto'

import {HmacSha256} from './hmac-sha256.js'

/**
 * The packet echo (docs/PROTOCOL.md 5): how a gateway tells a probe, over a TCP connection of their own, which of the
 * probe's packets arrived and what they looked like. All numbers are big-endian.
 *
 *     gateway   "OVE1", challenge (16)
 *     probe     "OVE1", key id (2), random (16), MAC (32): over "request" ‖ challenge ‖ key id ‖ random
 *     both      frames: length of body (2), type (1), body, MAC (16): the first half of that over "probe" or "gateway"
 *               ‖ challenge ‖ random ‖ number of the frame in its direction (4) ‖ type ‖ body
 */
export const ECHO_PURPOSE = 'overlay echo v1'
export const GREETING_LENGTH = 20
export const REQUEST_LENGTH = 54
const MAGIC = Buffer.from('OVE1')
const MAC_LENGTH = 16
const FRAME_HEADER = 3

export const EchoType = {
  /** From the gateway: it captures. Body: the probe's address (16) as it is seen. */
  Ready: 1,
  /** A packet arrived, or left. Body: time in ns since 1970 (8), length (2), IP and TCP headers. */
  Arrived: 2,
  Left: 3,
  /** From the probe, any 4 bytes; the gateway sends them back when all that arrived before has been told. */
  Ping: 4,
  Pong: 5,
  /** From the gateway: so many packets (4) were not told, because there were too many. */
  Withheld: 6,
} as const

/** The longest body: a packet's headers. */
export const MAX_ECHO_BODY = 10 + 160

export interface EchoFrame {
  type: number
  body: Buffer
}

/** What the gateway begins with. @param challenge 16 random bytes */
export const writeGreeting = (challenge: Buffer): Buffer => Buffer.concat([MAGIC, challenge])

/** The challenge of a greeting of 20 bytes; null when it is none. */
export function readGreeting(bytes: Buffer): Buffer | null {
  return bytes.length === GREETING_LENGTH && bytes.subarray(0, 4).equals(MAGIC) ? bytes.subarray(4) : null
}

/** The probe's request. @param random 16 random bytes */
export function writeRequest(key: {id: number; hmac: HmacSha256}, challenge: Buffer, random: Buffer): Buffer {
  const bytes = Buffer.alloc(REQUEST_LENGTH)
  MAGIC.copy(bytes)
  bytes.writeUInt16BE(key.id, 4)
  random.copy(bytes, 6)
  requestMac(key.hmac, challenge, bytes).copy(bytes, 22)
  return bytes
}

/** The key id of a request of 54 bytes; null when it is none. */
export const requestKeyId = (bytes: Buffer): number | null =>
  bytes.length === REQUEST_LENGTH && bytes.subarray(0, 4).equals(MAGIC) ? bytes.readUInt16BE(4) : null

/** The random bytes of a request whose MAC is good; null otherwise. */
export function verifyRequest(bytes: Buffer, hmac: HmacSha256, challenge: Buffer): Buffer | null {
  return timingSafeEqual(requestMac(hmac, challenge, bytes), bytes.subarray(22, REQUEST_LENGTH))
    ? bytes.subarray(6, 22)
    : null
}

function requestMac(hmac: HmacSha256, challenge: Buffer, request: Buffer): Buffer {
  const signed = Buffer.concat([Buffer.from('request'), challenge, request.subarray(4, 22)])
  const mac = Buffer.alloc(32)
  hmac.write(signed, 0, signed.length, mac, 0)
  return mac
}

/** One direction of a session: numbers its frames and makes or checks their MACs. */
export class EchoDirection {
  #number = 0
  #pending = Buffer.alloc(0)

  /** @param session challenge and random bytes */
  constructor(
    private readonly sender: 'gateway' | 'probe',
    private readonly hmac: HmacSha256,
    private readonly session: Buffer,
  ) {}

  write(type: number, body: Buffer): Buffer {
    const bytes = Buffer.alloc(FRAME_HEADER + body.length + MAC_LENGTH)
    bytes.writeUInt16BE(body.length, 0)
    bytes[2] = type
    body.copy(bytes, FRAME_HEADER)
    this.#mac(bytes.subarray(2, FRAME_HEADER + body.length)).copy(bytes, FRAME_HEADER + body.length)
    return bytes
  }

  /**
   * Takes bytes of the stream and gives the frames that are whole.
   *
   * @returns null when a frame is too long or not of a holder of the key: the connection is to be closed
   */
  read(chunk: Buffer): EchoFrame[] | null {
    this.#pending = Buffer.concat([this.#pending, chunk])
    const frames: EchoFrame[] = []
    while (this.#pending.length >= FRAME_HEADER) {
      const length = this.#pending.readUInt16BE(0)
      if (length > MAX_ECHO_BODY) return null
      const end = FRAME_HEADER + length
      if (this.#pending.length < end + MAC_LENGTH) break
      const mac = this.#mac(this.#pending.subarray(2, end))
      if (!timingSafeEqual(mac, this.#pending.subarray(end, end + MAC_LENGTH))) return null
      frames.push({type: this.#pending[2], body: this.#pending.subarray(FRAME_HEADER, end)})
      this.#pending = this.#pending.subarray(end + MAC_LENGTH)
    }

    return frames
  }

  #mac(content: Buffer): Buffer {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(this.#number++)
    const signed = Buffer.concat([Buffer.from(this.sender), this.session, number, content])
    const mac = Buffer.alloc(32)
    this.hmac.write(signed, 0, signed.length, mac, 0)
    return mac.subarray(0, MAC_LENGTH)
  }
}
