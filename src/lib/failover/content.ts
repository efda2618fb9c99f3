import {createHash, type Hash} from 'node:crypto'

/** A prime: a piece that is lost or doubled shows, unless it is a multiple of this long. */
const PERIOD = 65_521

/** What a direction of a flow carries: every byte is known from flow, direction and place. */
export class Content {
  readonly #period = Buffer.alloc(PERIOD)

  /** @param direction 0 from the client, 1 from the origin */
  constructor(flow: number, direction: 0 | 1) {
    let state = (Math.imul(flow * 2 + direction + 1, 2_654_435_761) | 1) >>> 0
    for (let at = 0; at < PERIOD; at++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      this.#period[at] = state
    }
  }

  /** A part of it: at most as many bytes as are asked for. */
  slice(offset: number, length: number): Buffer {
    const from = offset % PERIOD
    return this.#period.subarray(from, Math.min(PERIOD, from + length))
  }

  /** Whether bytes are those at an offset. @returns the offset of the first other one, or −1 */
  differs(offset: number, bytes: Buffer): number {
    for (let done = 0; done < bytes.length;) {
      const expected = this.slice(offset + done, bytes.length - done)
      if (expected.compare(bytes, done, done + expected.length) !== 0) {
        for (let i = 0; i < expected.length; i++) if (expected[i] !== bytes[done + i]) return offset + done + i
      }

      done += expected.length
    }

    return -1
  }

  /** SHA-256 of its first bytes. */
  digest(length: number): string {
    const hash: Hash = createHash('sha256')
    for (let at = 0; at < length;) {
      const part = this.slice(at, length - at)
      hash.update(part)
      at += part.length
    }

    return hash.digest('hex')
  }
}

/**
 * What the client of a flow says first of all, 32 bytes big-endian: flow u32, up f64, down f64, flags u8 (1: the origin
 * closes its direction when it has sent everything), 0.
 */
export const HEADER_LENGTH = 32

export interface FlowHeader {
  flow: number
  up: number
  down: number
  serverCloses: boolean
}

export function writeFlowHeader({flow, up, down, serverCloses}: FlowHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_LENGTH)
  bytes.writeUInt32BE(flow, 0)
  bytes.writeDoubleBE(up, 4)
  bytes.writeDoubleBE(down, 12)
  bytes[20] = serverCloses ? 1 : 0
  return bytes
}

export function readFlowHeader(bytes: Buffer): FlowHeader {
  return {
    flow: bytes.readUInt32BE(0),
    up: bytes.readDoubleBE(4),
    down: bytes.readDoubleBE(12),
    serverCloses: bytes[20] === 1,
  }
}

/** What an origin of a server-first flow says before it has heard anything. */
export const BANNER = Buffer.from('220 origin.example ready; say what you want\r\n')
