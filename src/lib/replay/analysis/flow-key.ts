import {formatAddress, formatEndpoint} from '../../wire/endpoint.js'

/** Words of a key: the lower endpoint's address in four, the higher one's, and both ports in one. */
export const KEY_WORDS = 9
/** Of {@link KEY_WORDS}. */
export type FlowKey = Int32Array
/** Stands before an IPv4 address where IPv6 has its first 96 bits; nothing of IPv6 begins so (RFC 4291: reserved). */
export const IPV4_MARK = 0x7f00_0004
/** The words that all keys of IPv4 have in common. */
export const IPV4_KEY: Readonly<FlowKey> = Int32Array.of(IPV4_MARK, 0, 0, 0, 0, 0, 0, 0, 0)
/** The others. */
const IPV4_WORDS = [3, 7, 8]
const ALL_WORDS = Array.from({length: KEY_WORDS}, (_, word) => word)

export function isIpv4(key: FlowKey): boolean {
  return key[0] === IPV4_MARK && (key[1] | key[2] | key[4] | key[5] | key[6]) === 0
}

/** Indices of the words that tell one key from another. */
export function keyWords(ipv4: boolean): readonly number[] {
  return ipv4 ? IPV4_WORDS : ALL_WORDS
}

/** Both endpoints, the lower one first, as {@link formatEndpoint} writes them. */
export function endpointsOf(key: FlowKey): [lower: string, higher: string] {
  return [endpointOf(key, 0, key[8] >>> 16), endpointOf(key, 4, key[8] & 0xffff)]
}

function endpointOf(key: FlowKey, from: number, port: number): string {
  const bytes = Buffer.allocUnsafe(16)
  for (let word = 0; word < 4; word++) bytes.writeInt32BE(key[from + word], word * 4)
  const address = isIpv4(key) ? bytes.subarray(12).join('.') : formatAddress(bytes)
  return formatEndpoint({address, port})
}
