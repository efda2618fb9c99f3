import type {SynOptions} from '../connection.js'
import {IPV4_KEY, isIpv4, KEY_WORDS, keyWords, type FlowKey} from './flow-key.js'
import {TrackedConnection, type Direction} from './tracked-connection.js'

/** Bytes before the key and the turns: the connection's own, and those of its two directions. */
const OWN_BYTES = 76
const DIRECTION_BYTES = 48
const FIXED_BYTES = OWN_BYTES + 2 * DIRECTION_BYTES
/** Three numbers of 8 bytes. */
const TURN_BYTES = 24

/** Where the flags stand. */
const FLAGS_AT = 18
const Flag = {SIMULTANEOUS: 1, REFUSED: 2, TURNS_MERGED: 4, IPV6: 8} as const
const OptionFlag = {THERE: 1, MSS: 2, WINDOW_SCALE: 4, SACK: 8, TIMESTAMPS: 16, FAST_OPEN: 32} as const

/** Times of a connection that may be NaN, in the order of the record. */
const TIMES = ['endMs', 'synMs', 'lastSynAckMs', 'serverRttMs', 'clientRttMs', 'handshakeRttMs', 'ackMs'] as const

let scratch = Buffer.allocUnsafe(FIXED_BYTES + 4 * KEY_WORDS + 64 * TURN_BYTES)

/**
 * A connection in 172 bytes, 12 for its addresses and ports (IPv6: 36), and 24 for each turn.
 *
 * @param key of its flow
 * @returns memory that the next call uses again
 */
export function writeConnection(connection: TrackedConnection, key: FlowKey): Buffer {
  const {turns} = connection
  const words = keyWords(isIpv4(key))
  const length = FIXED_BYTES + 4 * words.length + turns.length * 8
  if (scratch.length < length) scratch = Buffer.allocUnsafe(length * 2)
  const record = scratch
  let at = record.writeInt32LE(connection.source, 0)
  at = record.writeDoubleLE(connection.startSeconds, at)
  at = record.writeInt32LE(connection.startNanoseconds, at)
  at = record.writeInt8(connection.client, at)
  at = record.writeUInt8(connection.seen, at)
  const flags =
    (connection.simultaneous ? Flag.SIMULTANEOUS : 0) |
    (connection.refused ? Flag.REFUSED : 0) |
    (connection.turnsMerged ? Flag.TURNS_MERGED : 0) |
    (isIpv4(key) ? 0 : Flag.IPV6)
  at = record.writeUInt16LE(flags, at)
  for (const name of TIMES) at = record.writeDoubleLE(connection[name], at)
  at = OWN_BYTES
  for (const direction of connection.directions) at = writeDirection(record, at, direction)
  for (const word of words) at = record.writeInt32LE(key[word], at)
  for (const value of turns) at = record.writeDoubleLE(value, at)
  return record.subarray(0, length)
}

/**
 * @param record of {@link writeConnection}
 * @param flow that it has now; -1 without one
 * @param connection becomes what was written
 */
export function readConnection(
  record: Buffer,
  index: number,
  flow: number,
  connection = new TrackedConnection(),
): TrackedConnection {
  connection.begin(index, flow, record.readInt32LE(0), record.readDoubleLE(4), record.readInt32LE(12))
  connection.client = record.readInt8(16) as -1 | 0 | 1
  connection.seen = record.readUInt8(17)
  const flags = record.readUInt16LE(FLAGS_AT)
  connection.simultaneous = (flags & Flag.SIMULTANEOUS) !== 0
  connection.refused = (flags & Flag.REFUSED) !== 0
  connection.turnsMerged = (flags & Flag.TURNS_MERGED) !== 0
  let at = 20
  for (const name of TIMES) {
    connection[name] = record.readDoubleLE(at)
    at += 8
  }

  at = OWN_BYTES
  for (const direction of connection.directions) {
    readDirection(record, at, direction)
    at += DIRECTION_BYTES
  }

  at += 4 * keyWords((flags & Flag.IPV6) === 0).length
  for (; at < record.length; at += 8) connection.turns.push(record.readDoubleLE(at))
  return connection
}

/** Writes the key of a record's flow into `key`. */
export function readKey(record: Buffer, key: FlowKey): void {
  const ipv4 = (record.readUInt16LE(FLAGS_AT) & Flag.IPV6) === 0
  if (ipv4) key.set(IPV4_KEY)
  let at = FIXED_BYTES
  for (const word of keyWords(ipv4)) {
    key[word] = record.readInt32LE(at)
    at += 4
  }
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
