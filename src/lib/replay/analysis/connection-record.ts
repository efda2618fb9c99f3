import type {SynOptions} from '../connection.js'
import {TrackedConnection, type Direction} from './tracked-connection.js'

/** Bytes before the turns: the connection's own, and those of its two directions. */
const OWN_BYTES = 80
const DIRECTION_BYTES = 48
const FIXED_BYTES = OWN_BYTES + 2 * DIRECTION_BYTES
/** Three numbers of 8 bytes. */
const TURN_BYTES = 24

const Flag = {SIMULTANEOUS: 1, REFUSED: 2, TURNS_MERGED: 4} as const
const OptionFlag = {THERE: 1, MSS: 2, WINDOW_SCALE: 4, SACK: 8, TIMESTAMPS: 16, FAST_OPEN: 32} as const

/** Times of a connection that may be NaN, in the order of the record. */
const TIMES = ['endMs', 'synMs', 'lastSynAckMs', 'serverRttMs', 'clientRttMs', 'handshakeRttMs', 'ackMs'] as const

let scratch = Buffer.allocUnsafe(FIXED_BYTES + 64 * TURN_BYTES)

/**
 * A connection in 176 bytes and 24 for each turn.
 *
 * @returns memory that the next call uses again
 */
export function writeConnection(connection: TrackedConnection): Buffer {
  const {turns} = connection
  const length = FIXED_BYTES + turns.length * 8
  if (scratch.length < length) scratch = Buffer.allocUnsafe(length * 2)
  const record = scratch
  let at = record.writeInt32LE(connection.flow, 0)
  at = record.writeInt32LE(connection.source, at)
  at = record.writeDoubleLE(connection.startSeconds, at)
  at = record.writeInt32LE(connection.startNanoseconds, at)
  at = record.writeInt8(connection.client, at)
  at = record.writeUInt8(connection.seen, at)
  const flags =
    (connection.simultaneous ? Flag.SIMULTANEOUS : 0) |
    (connection.refused ? Flag.REFUSED : 0) |
    (connection.turnsMerged ? Flag.TURNS_MERGED : 0)
  at = record.writeUInt16LE(flags, at)
  for (const name of TIMES) at = record.writeDoubleLE(connection[name], at)
  at = OWN_BYTES
  for (const direction of connection.directions) at = writeDirection(record, at, direction)
  for (const value of turns) at = record.writeDoubleLE(value, at)
  return record.subarray(0, length)
}

/** @param record of {@link writeConnection} */
export function readConnection(record: Buffer, index: number): TrackedConnection {
  const connection = new TrackedConnection(
    index,
    record.readInt32LE(0),
    record.readInt32LE(4),
    record.readDoubleLE(8),
    record.readInt32LE(16),
  )
  connection.client = record.readInt8(20) as -1 | 0 | 1
  connection.seen = record.readUInt8(21)
  const flags = record.readUInt16LE(22)
  connection.simultaneous = (flags & Flag.SIMULTANEOUS) !== 0
  connection.refused = (flags & Flag.REFUSED) !== 0
  connection.turnsMerged = (flags & Flag.TURNS_MERGED) !== 0
  let at = 24
  for (const name of TIMES) {
    connection[name] = record.readDoubleLE(at)
    at += 8
  }

  at = OWN_BYTES
  for (const direction of connection.directions) {
    readDirection(record, at, direction)
    at += DIRECTION_BYTES
  }

  for (; at < record.length; at += 8) connection.turns.push(record.readDoubleLE(at))
  return connection
}

function writeDirection(record: Buffer, from: number, direction: Direction): number {
  let at = record.writeDoubleLE(direction.segments, from)
  at = record.writeDoubleLE(direction.payloadBytes, at)
  at = record.writeDoubleLE(direction.streamBytes, at)
  at = record.writeUInt32LE(direction.syns, at)
  at = record.writeUInt32LE(direction.synAcks, at)
  at = record.writeInt32LE(direction.base, at)
  at = record.writeInt32LE(direction.next, at)
  at = record.writeUInt16LE(direction.options?.mss ?? 0, at)
  at = record.writeUInt8(direction.options?.windowScale ?? 0, at)
  at = record.writeUInt8(optionFlags(direction.options), at)
  return record.writeUInt32LE(direction.based ? 1 : 0, at)
}

function readDirection(record: Buffer, from: number, direction: Direction): void {
  direction.segments = record.readDoubleLE(from)
  direction.payloadBytes = record.readDoubleLE(from + 8)
  direction.streamBytes = record.readDoubleLE(from + 16)
  direction.syns = record.readUInt32LE(from + 24)
  direction.synAcks = record.readUInt32LE(from + 28)
  direction.base = record.readInt32LE(from + 32)
  direction.next = record.readInt32LE(from + 36)
  direction.options = readOptions(record, from + 40)
  direction.based = record.readUInt32LE(from + 44) === 1
}

function optionFlags(options: SynOptions | null): number {
  if (options === null) return 0
  return (
    OptionFlag.THERE |
    (options.mss === null ? 0 : OptionFlag.MSS) |
    (options.windowScale === null ? 0 : OptionFlag.WINDOW_SCALE) |
    (options.sackPermitted ? OptionFlag.SACK : 0) |
    (options.timestamps ? OptionFlag.TIMESTAMPS : 0) |
    (options.fastOpen ? OptionFlag.FAST_OPEN : 0)
  )
}

function readOptions(record: Buffer, at: number): SynOptions | null {
  const flags = record.readUInt8(at + 3)
  const has = (flag: number): boolean => (flags & flag) !== 0
  if (!has(OptionFlag.THERE)) return null
  return {
    mss: has(OptionFlag.MSS) ? record.readUInt16LE(at) : null,
    windowScale: has(OptionFlag.WINDOW_SCALE) ? record.readUInt8(at + 2) : null,
    sackPermitted: has(OptionFlag.SACK),
    timestamps: has(OptionFlag.TIMESTAMPS),
    fastOpen: has(OptionFlag.FAST_OPEN),
  }
}
