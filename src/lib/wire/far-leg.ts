import {LEG_RECORD_LENGTH, readLegRecord, writeLegRecord, type LegRecord} from './leg-record.js'

/**
 * What the backup must know of a dialled leg (R2), and of how bytes pass between the two legs. Payload of a LEG frame
 * (docs/PROTOCOL.md, section 4.3), big-endian:
 *
 *      0  record       80 bytes
 *     80  skips        2 × u16
 *     84  head lengths 2 × u16
 *     88  heads        of direction 0, then of direction 1
 */
export const FAR_LEG_FIXED_LENGTH = LEG_RECORD_LENGTH + 8

/** Bytes of a head at most: a preamble, or a reply to one. */
export const MAX_HEAD_LENGTH = 1024

export const MAX_FAR_LEG_LENGTH = FAR_LEG_FIXED_LENGTH + 2 * MAX_HEAD_LENGTH

export interface FarLeg {
  readonly record: LegRecord
  /** By direction: how many of its first bytes are for the relay itself and are not passed on. */
  readonly skips: readonly [number, number]
  /** By direction: what the relay sends of its own before the first byte that it passes on. */
  readonly heads: readonly [Buffer, Buffer]
}

/** Writes a far leg. @returns its length in bytes */
export function writeFarLeg(into: Buffer, at: number, {record, skips, heads}: FarLeg): number {
  writeLegRecord(into, at, record)
  let end = at + LEG_RECORD_LENGTH
  for (const skip of skips) end = into.writeUInt16BE(skip, end)
  for (const head of heads) end = into.writeUInt16BE(head.length, end)
  for (const head of heads) end += head.copy(into, end)
  return end - at
}

/**
 * Reads a whole payload into objects of its own.
 *
 * @returns null when a field is out of its range or the length does not fit the heads
 */
export function readFarLeg(from: Buffer): FarLeg | null {
  if (from.length < FAR_LEG_FIXED_LENGTH) return null
  const record = readLegRecord(from, 0)
  const u16 = (index: number): number => from.readUInt16BE(LEG_RECORD_LENGTH + index * 2)
  const lengths = [u16(2), u16(3)]
  if (record === null || lengths.some((length) => length > MAX_HEAD_LENGTH)) return null
  const second = FAR_LEG_FIXED_LENGTH + lengths[0]
  if (from.length !== second + lengths[1]) return null
  return {
    record,
    skips: [u16(0), u16(1)],
    heads: [Buffer.from(from.subarray(FAR_LEG_FIXED_LENGTH, second)), Buffer.from(from.subarray(second))],
  }
}
