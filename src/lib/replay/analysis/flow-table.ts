import {formatAddress, formatEndpoint} from '../../wire/endpoint.js'

/** Words of a key: two addresses of four words and both ports in one. */
const KEY_WORDS = 9
/** Stands before an IPv4 address where IPv6 has its first 96 bits; nothing of IPv6 begins so (RFC 4291: reserved). */
const IPV4_MARK = 0x7f00_0004

/**
 * Finds the connection of a packet by its addresses and ports, in either direction: open addressing over typed arrays,
 * so that a lookup allocates nothing.
 */
export class FlowTable {
  /** After `find`: whether the packet goes from the key's second endpoint to its first. */
  reversed = false
  /** Per flow {@link KEY_WORDS}: the lower endpoint's address, the higher one's, then both ports. */
  #keys = new Int32Array(KEY_WORDS * 1024)
  /** Flow number + 1, 0 for a free place. A power of two, at most half full. */
  #places = new Int32Array(4096)
  #flows = 0
  readonly #key = new Int32Array(KEY_WORDS)
  #place = 0

  /** @param seed any number: without knowing it nobody can make packets that fall on one place */
  constructor(private readonly seed: number) {}

  /**
   * @param sourceAt 4 or 16 bytes, as at `destinationAt`
   * @param portsAt source port, then destination port: the TCP header
   * @returns the number of the flow, from 0 in the order of first packets; -1 when there is none, and `insert` makes it
   */
  find(bytes: Uint8Array, ipv6: boolean, sourceAt: number, destinationAt: number, portsAt: number): number {
    this.#readKey(bytes, ipv6, sourceAt, destinationAt, portsAt)
    const key = this.#key
    const keys = this.#keys
    const places = this.#places
    const mask = places.length - 1
    let place = this.#hash() & mask
    for (;;) {
      const flow = places[place] - 1
      if (flow < 0) break
      const at = flow * KEY_WORDS
      if (
        keys[at + 8] === key[8] &&
        keys[at + 7] === key[7] &&
        keys[at + 3] === key[3] &&
        keys[at] === key[0] &&
        keys[at + 1] === key[1] &&
        keys[at + 2] === key[2] &&
        keys[at + 4] === key[4] &&
        keys[at + 5] === key[5] &&
        keys[at + 6] === key[6]
      ) {
        return flow
      }

      place = (place + 1) & mask
    }

    this.#place = place
    return -1
  }

  /** Adds the flow that the last `find` did not find. @returns its number */
  insert(): number {
    const flow = this.#flows++
    if (this.#flows * KEY_WORDS > this.#keys.length) {
      const larger = new Int32Array(this.#keys.length * 2)
      larger.set(this.#keys)
      this.#keys = larger
    }

    this.#keys.set(this.#key, flow * KEY_WORDS)
    this.#places[this.#place] = flow + 1
    if (this.#flows * 2 > this.#places.length) this.#spread()
    return flow
  }

  /** Both endpoints of a flow, the lower one first, as {@link formatEndpoint} writes them. @param flow a number of `insert` */
  endpoints(flow: number): [lower: string, higher: string] {
    const key = this.#keys.subarray(flow * KEY_WORDS, (flow + 1) * KEY_WORDS)
    return [this.#endpoint(key, 0, key[8] >>> 16), this.#endpoint(key, 4, key[8] & 0xffff)]
  }

  #endpoint(key: Int32Array, from: number, port: number): string {
    const isIpv4 = key[0] === IPV4_MARK
    const bytes = Buffer.allocUnsafe(16)
    for (let word = 0; word < 4; word++) bytes.writeInt32BE(key[from + word], word * 4)
    const address = isIpv4 ? bytes.subarray(12).join('.') : formatAddress(bytes)
    return formatEndpoint({address, port})
  }

  #spread(): void {
    const places = new Int32Array(this.#places.length * 2)
    const mask = places.length - 1
    for (let flow = 0; flow < this.#flows; flow++) {
      this.#key.set(this.#keys.subarray(flow * KEY_WORDS, (flow + 1) * KEY_WORDS))
      let place = this.#hash() & mask
      while (places[place] !== 0) place = (place + 1) & mask
      places[place] = flow + 1
    }

    this.#places = places
  }

  #readKey(bytes: Uint8Array, ipv6: boolean, sourceAt: number, destinationAt: number, portsAt: number): void {
    const key = this.#key
    const ports = read32(bytes, portsAt)
    this.reversed = isAbove(bytes, ipv6 ? 16 : 4, sourceAt, destinationAt, ports)
    const first = this.reversed ? destinationAt : sourceAt
    const second = this.reversed ? sourceAt : destinationAt
    key[8] = this.reversed ? (ports >>> 16) | (ports << 16) : ports
    if (!ipv6) {
      key[0] = IPV4_MARK
      key[1] = 0
      key[2] = 0
      key[3] = read32(bytes, first)
      key[4] = 0
      key[5] = 0
      key[6] = 0
      key[7] = read32(bytes, second)
      return
    }

    for (let word = 0; word < 4; word++) {
      key[word] = read32(bytes, first + word * 4)
      key[4 + word] = read32(bytes, second + word * 4)
    }
  }

  /** Murmur3's mixing over the words of the key. */
  #hash(): number {
    const key = this.#key
    let hash = this.seed
    for (let word = 0; word < KEY_WORDS; word++) {
      let part = Math.imul(key[word], 0xcc9e2d51)
      part = (part << 15) | (part >>> 17)
      hash ^= Math.imul(part, 0x1b873593)
      hash = (hash << 13) | (hash >>> 19)
      hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
    }

    hash ^= hash >>> 16
    hash = Math.imul(hash, 0x85ebca6b)
    hash ^= hash >>> 13
    return hash >>> 0
  }
}

/** Whether the source is the higher endpoint, by address and then by port. */
function isAbove(bytes: Uint8Array, length: number, source: number, destination: number, ports: number): boolean {
  for (let index = 0; index < length; index++) {
    const difference = bytes[source + index] - bytes[destination + index]
    if (difference !== 0) return difference > 0
  }

  return ports >>> 16 > (ports & 0xffff)
}

function read32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
}
