import {crc32} from 'node:zlib'

/**
 * What the measuring client and origin say to each other, one exchange per connection, all integers big-endian.
 *
 * Request: u32 its whole length, u32 the length of the response wanted, then bytes that mean nothing.
 * Response: u64 the origin's monotonic clock in ns when it had read the whole request, u32 CRC-32 of the request, then
 * zeros up to the length wanted. CLOCK_MONOTONIC is one for all processes of a machine, in any namespace, so the client
 * may subtract its own times from the origin's.
 */
export const REQUEST_HEADER = 8
export const RESPONSE_HEADER = 12
export const LONGEST = 64 << 20

/**
 * A request.
 *
 * @param length bytes in all, {@link REQUEST_HEADER} to {@link LONGEST}
 * @param responseLength bytes in all, {@link RESPONSE_HEADER} to {@link LONGEST}
 */
export function encodeRequest(length: number, responseLength: number, filler: number): Buffer {
  const request = Buffer.alloc(length, filler & 0xff)
  request.writeUInt32BE(length, 0)
  request.writeUInt32BE(responseLength, 4)
  return request
}

/** @returns what the header of a request announces, or null when it is none */
export function decodeRequestHeader(header: Buffer): {length: number; responseLength: number} | null {
  if (header.length < REQUEST_HEADER) return null
  const length = header.readUInt32BE(0)
  const responseLength = header.readUInt32BE(4)
  if (length < REQUEST_HEADER || length > LONGEST) return null
  if (responseLength < RESPONSE_HEADER || responseLength > LONGEST) return null
  return {length, responseLength}
}

/** A response to a request that was read whole at `readAtNs` of the monotonic clock. */
export function encodeResponse(request: Buffer, responseLength: number, readAtNs: bigint): Buffer {
  const response = Buffer.alloc(responseLength)
  response.writeBigUInt64BE(readAtNs, 0)
  response.writeUInt32BE(crc32(request), 8)
  return response
}

/** @returns when the origin had read the request, in ns of the monotonic clock, or null when it had read another one */
export function decodeResponse(response: Buffer, request: Buffer): bigint | null {
  if (response.length < RESPONSE_HEADER || response.readUInt32BE(8) !== crc32(request)) return null
  return response.readBigUInt64BE(0)
}
