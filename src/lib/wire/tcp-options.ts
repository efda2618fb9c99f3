import type {TcpOptions} from './tcp-segment.js'

/** Bytes that the data offset leaves for options (RFC 9293 section 3.1). */
export const MAX_OPTION_BYTES = 40

const NOP = 1

/**
 * TCP options in the order and padding of Linux (tcp_options_write): MSS; SACK permitted with timestamps, or either behind
 * NOPs; NOP and window scale; the Fast Open cookie; SACK blocks. A multiple of 4 bytes. What decodeOptions reads from it
 * is what was given.
 *
 * @throws RangeError when they do not fit into 40 bytes
 */
export function encodeOptions(options: TcpOptions): Buffer {
  const {maximumSegmentSize, windowScale, sackPermitted, sackBlocks, timestamps, fastOpenCookie} = options
  const bytes: number[] = []
  if (maximumSegmentSize !== undefined) bytes.push(2, 4, ...word16(maximumSegmentSize))
  if (timestamps) {
    bytes.push(...(sackPermitted ? [4, 2] : [NOP, NOP]), 8, 10, ...word32(timestamps.value), ...word32(timestamps.echo))
  } else if (sackPermitted) {
    bytes.push(NOP, NOP, 4, 2)
  }

  if (windowScale !== undefined) bytes.push(NOP, 3, 3, windowScale)
  if (fastOpenCookie) {
    bytes.push(34, fastOpenCookie.length + 2, ...fastOpenCookie)
    while (bytes.length % 4 !== 0) bytes.push(NOP)
  }

  if (sackBlocks && sackBlocks.length > 0) {
    bytes.push(NOP, NOP, 5, 2 + 8 * sackBlocks.length)
    for (const [left, right] of sackBlocks) bytes.push(...word32(left), ...word32(right))
  }

  if (bytes.length > MAX_OPTION_BYTES) throw new RangeError(`TCP options of ${bytes.length} bytes; at most 40 fit`)
  return Buffer.from(bytes)
}

const word16 = (value: number): number[] => [value >> 8, value & 0xff]
const word32 = (value: number): number[] => [...word16(value >>> 16), ...word16(value & 0xffff)]
