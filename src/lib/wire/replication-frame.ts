import {FAR_LEG_FIXED_LENGTH, MAX_FAR_LEG_LENGTH} from './far-leg.js'
import {LEG_RECORD_LENGTH} from './leg-record.js'

/**
 * Frames between the two servers of a region (docs/PROTOCOL.md, section 4). 32 bytes of header, all big-endian:
 *
 *      0  type          u8
 *      1  direction     u8, 0 client→origin, 1 origin→client; for records 0 the near leg, 1 the far leg
 *      2  reserved      u16, 0
 *      4  length        u32, bytes of payload, at most 1 MiB
 *      8  epoch         u32
 *     12  flow          u32
 *     16  offset        u64, below 2^53
 *     24  acknowledged  u64, below 2^53
 */
export const FRAME_HEADER_LENGTH = 32

/** The largest payload, and so the largest DATA frame. */
export const MAX_PAYLOAD = 1_048_576

export const HELLO_LENGTH = 32
export const AUTH_LENGTH = 32
export const REFUSE_LENGTH = 4

/** A FLOW's payload: the near leg's record, then where the far leg is dialled from (18 bytes) and to (18 bytes). */
export const FLOW_LENGTH = LEG_RECORD_LENGTH + 36

export const FrameType = {
  HELLO: 1,
  AUTH: 2,
  REFUSE: 3,
  FLOW: 4,
  LEG: 5,
  RECORD_ACK: 6,
  DATA: 7,
  END: 8,
  ACK: 9,
  CLOSE: 10,
  ABORT: 11,
  HEARTBEAT: 12,
  HEARTBEAT_ACK: 13,
  SNAPSHOT_BEGIN: 14,
  SNAPSHOT_END: 15,
  HANDOVER: 16,
  HANDOVER_DONE: 17,
} as const

export type FrameType = (typeof FrameType)[keyof typeof FrameType]

/** 0: bytes from client to origin. 1: bytes from origin to client. */
export type Direction = 0 | 1

/** Payload of each type, in bytes: at least and at most. */
const PAYLOAD_LENGTH: ReadonlyMap<number, readonly [number, number]> = new Map<number, readonly [number, number]>(
  Object.values(FrameType).map((type) => [type, [0, 0]]),
)
  .set(FrameType.HELLO, [HELLO_LENGTH, HELLO_LENGTH])
  .set(FrameType.AUTH, [AUTH_LENGTH, AUTH_LENGTH])
  .set(FrameType.REFUSE, [REFUSE_LENGTH, REFUSE_LENGTH])
  .set(FrameType.FLOW, [FLOW_LENGTH, FLOW_LENGTH])
  .set(FrameType.LEG, [FAR_LEG_FIXED_LENGTH, MAX_FAR_LEG_LENGTH])
  .set(FrameType.DATA, [1, MAX_PAYLOAD])

/** The peer broke the protocol: the link cannot be used any further. */
export class ReplicationProtocolError extends Error {
  override readonly name = 'ReplicationProtocolError'
}

/** A header. Parsers and writers reuse one. */
export class FrameHeader {
  type: FrameType = FrameType.HEARTBEAT
  direction: Direction = 0
  /** Bytes of payload. */
  length = 0
  epoch = 0
  flow = 0
  /** 0 to 2^53 − 1. */
  offset = 0
  /** 0 to 2^53 − 1. */
  acknowledged = 0
}

/** Writes 32 bytes. The caller keeps the fields in range. */
export function writeFrameHeader(into: Buffer, at: number, header: FrameHeader): void {
  into[at] = header.type
  into[at + 1] = header.direction
  into.writeUInt16BE(0, at + 2)
  into.writeUInt32BE(header.length, at + 4)
  into.writeUInt32BE(header.epoch, at + 8)
  into.writeUInt32BE(header.flow, at + 12)
  writeUInt53(into, at + 16, header.offset)
  writeUInt53(into, at + 24, header.acknowledged)
}

function writeUInt53(into: Buffer, at: number, value: number): void {
  into.writeUInt32BE(Math.floor(value / 4_294_967_296), at)
  into.writeUInt32BE(value >>> 0, at + 4)
}

function readUInt53(from: Buffer, at: number, what: string): number {
  const high = from.readUInt32BE(at)
  if (high > 0x1f_ff_ff) throw new ReplicationProtocolError(`${what} is not below 2^53`)
  return high * 4_294_967_296 + from.readUInt32BE(at + 4)
}

/**
 * Reads 32 bytes, every field checked.
 *
 * @param setup true before the link is authenticated: only HELLO, AUTH and REFUSE are allowed then; HELLO and
 * AUTH only then
 * @throws ReplicationProtocolError
 */
export function readFrameHeader(from: Buffer, at: number, into: FrameHeader, setup: boolean): void {
  const type = from[at]
  const length = from.readUInt32BE(at + 4)
  const allowed = PAYLOAD_LENGTH.get(type)
  if (allowed === undefined) throw new ReplicationProtocolError(`frame type ${type} is unknown`)

  if (type !== FrameType.REFUSE && type <= FrameType.AUTH !== setup) {
    throw new ReplicationProtocolError(`frame type ${type} ${setup ? 'before' : 'after'} the link was set up`)
  }

  if (from[at + 1] > 1) throw new ReplicationProtocolError(`direction ${from[at + 1]} is neither 0 nor 1`)
  if (from.readUInt16BE(at + 2) !== 0) throw new ReplicationProtocolError('reserved bytes are not zero')
  if (length < allowed[0] || length > allowed[1])
    throw new ReplicationProtocolError(`frame type ${type} has ${length} bytes of payload`)
  into.type = type as FrameType
  into.direction = from[at + 1] as Direction
  into.length = length
  into.epoch = from.readUInt32BE(at + 8)
  into.flow = from.readUInt32BE(at + 12)
  into.offset = readUInt53(from, at + 16, 'the offset')
  into.acknowledged = readUInt53(from, at + 24, 'the acknowledged offset')
}

/** Where a parser delivers. What it is handed is valid only during the call. */
export interface FrameSink {
  /** A whole frame, of any type but DATA. */
  frame(header: FrameHeader, payload: Buffer): void
  /** A part of a DATA frame, as it came: `header.offset` is the offset of its first byte, `header.length` its length. */
  data(header: FrameHeader, bytes: Buffer, start: number, end: number): void
  /** The same of a part that did not pass through the parser; for a reader that calls {@link FrameParser.put}. */
  put?(header: FrameHeader): void
}

/** Takes the stream in pieces of any size. Keeps at most one header and one control payload; DATA passes through. */
export class FrameParser {
  /** Until it is set to false, only the frames of the link's set-up are accepted. */
  setup = true
  /** Payload of the last DATA frame that began, bytes. */
  dataLength = 0
  readonly #sink: FrameSink
  /** Of the frame that is coming; of DATA, what is still to come of it. */
  readonly #header = new FrameHeader()
  readonly #kept = Buffer.alloc(FRAME_HEADER_LENGTH + MAX_FAR_LEG_LENGTH)
  #have = 0
  #dataLeft = 0
  #broken = false

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** The rest of a DATA frame, which comes next; null when something else does. Good until the next {@link FrameParser.push}. */
  get coming(): FrameHeader | null {
    if (this.#dataLeft === 0 || this.#broken) return null
    this.#header.length = this.#dataLeft
    return this.#header
  }

  /**
   * @throws ReplicationProtocolError at the first bad header, and for every call afterwards; also what the sink throws,
   * after which the parser accepts nothing either
   */
  push(bytes: Buffer, start = 0, end = bytes.length): void {
    if (this.#broken) throw new ReplicationProtocolError('the stream is broken already')
    this.#broken = true
    for (let at = start; at < end;) at = this.#dataLeft > 0 ? this.#data(bytes, at, end) : this.#control(bytes, at, end)
    this.#broken = false
  }

  /**
   * The reader has put so many bytes of {@link FrameParser.coming} where they are kept.
   *
   * @throws what the sink throws
   */
  put(length: number): void {
    this.#broken = true
    this.#header.length = length
    this.#sink.put?.(this.#header)
    this.#header.offset += length
    this.#dataLeft -= length
    this.#broken = false
  }

  #data(bytes: Buffer, at: number, end: number): number {
    const part = Math.min(this.#dataLeft, end - at)
    this.#header.length = part
    this.#sink.data(this.#header, bytes, at, at + part)
    this.#header.offset += part
    this.#dataLeft -= part
    return at + part
  }

  #control(bytes: Buffer, start: number, end: number): number {
    let at = start
    if (this.#have < FRAME_HEADER_LENGTH) {
      at += this.#keep(bytes, at, Math.min(end, at + FRAME_HEADER_LENGTH - this.#have))
      if (this.#have < FRAME_HEADER_LENGTH) return at
      readFrameHeader(this.#kept, 0, this.#header, this.setup)
    }

    if (this.#header.type === FrameType.DATA) {
      if (this.#header.offset + this.#header.length > Number.MAX_SAFE_INTEGER) {
        throw new ReplicationProtocolError('the end of the data is not below 2^53')
      }

      this.dataLength = this.#header.length
      this.#dataLeft = this.#header.length
      this.#have = 0
      return at
    }

    const whole = FRAME_HEADER_LENGTH + this.#header.length
    at += this.#keep(bytes, at, Math.min(end, at + whole - this.#have))
    if (this.#have === whole) {
      this.#have = 0
      this.#sink.frame(this.#header, this.#kept.subarray(FRAME_HEADER_LENGTH, whole))
    }

    return at
  }

  #keep(bytes: Buffer, at: number, end: number): number {
    bytes.copy(this.#kept, this.#have, at, end)
    this.#have += end - at
    return end - at
  }
}
