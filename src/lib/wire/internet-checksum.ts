/**
 * Adds bytes to a ones' complement sum of 16-bit words in network order (RFC 1071); an odd last byte counts as the high
 * half of a word.
 *
 * @param sum of what came before, an even number of bytes
 */
export function addToSum(sum: number, bytes: Uint8Array, from = 0, to = bytes.length): number {
  let total = sum
  for (let at = from; at + 1 < to; at += 2) total += (bytes[at] << 8) | bytes[at + 1]
  if ((to - from) % 2 === 1) total += bytes[to - 1] << 8
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000)
  return total
}

/** The checksum field of a finished sum. */
export const finishSum = (sum: number): number => ~sum & 0xffff

/**
 * The sum of an IP pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1).
 *
 * @param source 4 or 16 bytes, `destination` alike
 * @param length of the segment or message in bytes
 */
export function pseudoHeaderSum(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  return addToSum(addToSum(protocol + length, source), destination)
}
