import {isIPv4, isIPv6} from 'node:net'

import {OverlayError} from '../errors/index.js'

/** A numeric address and a port. */
export interface Endpoint {
  /** An IPv4 or IPv6 address in text, never a name. */
  readonly address: string
  /** 1 to 65535. */
  readonly port: number
}

/**
 * Reads `10.0.0.1:80` or `[fd00::1]:80`.
 *
 * @param what names the value in the error, e.g. `--gateway`
 * @throws OverlayError USAGE
 */
export function parseEndpoint(text: string, what: string): Endpoint {
  const match = /^(?:\[([^\]]+)]|([^:]+)):(\d{1,5})$/.exec(text)
  const address = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3])
  const good = match?.[1] === undefined ? isIPv4(address) : isIPv6(address) && !address.includes('%')
  if (!good || port < 1 || port > 65_535) {
    throw new OverlayError('USAGE', `${what}: "${text}" is not ADDRESS:PORT`, {
      suggestions: ['write 192.0.2.1:443, or [2001:db8::1]:443 for IPv6'],
    })
  }

  return {address, port}
}

/**
 * Reads a numeric address of either family.
 *
 * @throws OverlayError USAGE
 */
export function parseAddress(text: string, what: string): string {
  if (isIPv4(text) || (isIPv6(text) && !text.includes('%'))) return text
  throw new OverlayError('USAGE', `${what}: "${text}" is not a numeric address`, {
    suggestions: ['write 192.0.2.1 or 2001:db8::1'],
  })
}

/**
 * Reads an address with the length of its network's prefix, `192.0.2.1/24`.
 *
 * @throws OverlayError USAGE
 */
export function parseNetworkAddress(text: string, what: string): {address: string; prefix: number} {
  const [address, bits = ''] = text.split('/', 2)
  const prefix = Number(bits)
  const longest = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : -1
  if (!/^\d{1,3}$/.test(bits) || prefix > longest) {
    throw new OverlayError('USAGE', `${what}: "${text}" is not ADDRESS/PREFIX`, {
      suggestions: ['write 192.0.2.1/24, or 2001:db8::1/64 for IPv6'],
    })
  }

  return {address, prefix}
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatEndpoint({address, port}: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/**
 * An address as 16 bytes in network order; IPv4 as IPv4-mapped IPv6 (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so that
 * one map key and one hash serve both families.
 */
export function addressBytes(address: string): Buffer {
  const bytes = Buffer.alloc(16)
  if (isIPv4(address)) {
    bytes.writeUInt16BE(0xffff, 10)
    for (const [index, part] of address.split('.').entries()) bytes[12 + index] = Number(part)
    return bytes
  }

  const [head, tail = ''] = expandEmbeddedIPv4(address).split('::') as [string, string?]
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  for (const [index, group] of left.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2)
  for (const [index, group] of right.entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 16 - (right.length - index) * 2)
  }

  return bytes
}

/** The text of 16 bytes from {@link addressBytes}: IPv4-mapped as IPv4, the rest as RFC 5952 wants it. */
export function formatAddress(bytes: Uint8Array): string {
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
  if (mapped) return bytes.subarray(12, 16).join('.')
  const groups = Array.from({length: 8}, (_, index) => (bytes[index * 2] << 8) | bytes[index * 2 + 1])
  const {start, length} = longestZeroRun(groups)
  const text = groups.map((group) => group.toString(16))
  if (length < 2) return text.join(':')
  return `${text.slice(0, start).join(':')}::${text.slice(start + length).join(':')}`
}

function longestZeroRun(groups: number[]): {start: number; length: number} {
  let best = {start: 0, length: 0}
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = {start, length}
  }

  return best
}

/** `::ffff:10.0.0.1` as `::ffff:a00:1`. */
function expandEmbeddedIPv4(address: string): string {
  const match = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)
  if (!match) return address
  const [a, b, c, d] = match.slice(2).map(Number)
  return `${match[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
}

/** The same socket address, however it is written. */
export function sameAddress(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && addressBytes(a.address).equals(addressBytes(b.address))
}
