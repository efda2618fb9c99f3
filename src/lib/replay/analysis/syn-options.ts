import {decodeOptions} from '../../wire/tcp-segment.js'
import type {SynOptions} from '../connection.js'

/**
 * Options of a SYN or SYN/ACK.
 *
 * @param bytes from `from` to `to`; what a capture has cut off is missing there
 */
export function readSynOptions(bytes: Buffer, from: number, to: number): SynOptions {
  const options = decodeOptions(bytes.subarray(from, to))
  return {
    mss: options?.maximumSegmentSize ?? null,
    windowScale: options?.windowScale ?? null,
    sackPermitted: options?.sackPermitted === true,
    timestamps: options?.timestamps !== undefined,
    fastOpen: options?.fastOpenCookie !== undefined,
  }
}
