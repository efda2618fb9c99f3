import {IPV4_MARK, KEY_WORDS, type FlowKey} from './flow-key.js'

/**
 * Finds the connection of a packet by its addresses and ports, in either direction: open addressing over typed arrays,
 * so that a lookup allocates nothing. It has the flows of which packets come; the others are taken out.
 */
export class FlowTable {
  /** After `find`: whether the packet goes from the key's second endpoint to its first. */
  reversed = false
  /** After `find`: of the key that was looked for, 32 bits. */
  hash = 0
  /** By flow {@link KEY_WORDS}. */
  #keys = new Int32Array(KEY_WORDS * 1024)
  #hashes = new Int32Array(1024)
  /** Flow number + 1, 0 for a free place. A power of two, at most half full. */
  #places = new Int32Array(4096)
  /** Numbers that were given, and those of them that are free again. */
  #given = 0
  readonly #free: number[] = []
  readonly #key = new Int32Array(KEY_WORDS)
  #place = 0

  /** @param seed any number: without knowing it nobody can make packets that fall on one place */
  constructor(private readonly seed: number) {}

  /**
   * @param sourceAt 4 or 16 bytes, as at `destinationAt`
   * @param portsAt source port, then destination port: the TCP header
   * @returns the number of the flow; -1 when there is none, and `insert` makes it
   */
  find(bytes: Uint8Array, ipv6: boolean, sourceAt: number, destinationAt: number, portsAt: number): number {
    this.#readKey(bytes, ipv6, sourceAt, destinationAt, portsAt)
    this.hash = hashOf(this.#key, this.seed)
    const keys = this.#keys
    const places = this.#places
    const mask = places.length - 1
    let place = this.hash & mask
    for (;;) {
      const flow = places[place] - 1
      if (flow < 0) break
      if (this.isLookedFor(keys, flow * KEY_WORDS)) return flow
      place = (place + 1) & mask
    }

    this.#place = place
    return -1
  }

  /** Whether a key is the one that the last `find` looked for. @param at where it begins in `keys` */
  isLookedFor(keys: FlowKey, at = 0): boolean {
    const key = this.#key
    return (
      keys[at + 8] === key[8] &&
      keys[at + 7] === key[7] &&
      keys[at + 3] === key[3] &&
      keys[at] === key[0] &&
      keys[at + 1] === key[1] &&
      keys[at + 2] === key[2] &&
      keys[at + 4] === key[4] &&
      keys[at + 5] === key[5] &&
      keys[at + 6] === key[6]
    )
  }

  /** Adds the flow that the last `find` did not find. @returns its number, the lowest one that is free or a new one */
  insert(): number {
    const flow = this.#free.pop() ?? this.#given++
    if (flow === this.#hashes.length) {
      this.#keys = twice(this.#keys)
      this.#hashes = twice(this.#hashes)
    }

    this.#keys.set(this.#key, flow * KEY_WORDS)
    this.#hashes[flow] = this.hash
    this.#places[this.#place] = flow + 1
    if ((this.#given - this.#free.length) * 2 > this.#places.length) this.#spread()
    return flow
  }

  /** Takes a flow out; its number may be given to another one. */
  remove(flow: number): void {
    const places = this.#places
    const mask = places.length - 1
    let hole = this.#hashes[flow] & mask
    while (places[hole] !== flow + 1) hole = (hole + 1) & mask
    // Whoever was pushed past the hole moves into it, or a search would end there (Knuth 6.4, algorithm R).
    for (let place = (hole + 1) & mask; places[place] !== 0; place = (place + 1) & mask) {
      const home = this.#hashes[places[place] - 1] & mask
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      places[hole] = places[place]
      hole = place
    }

    places[hole] = 0
    this.#free.push(flow)
  }

  /** The key of a flow, which holds until the next call of anything. */
  keyOf(flow: number): FlowKey {
    return this.#keys.subarray(flow * KEY_WORDS, (flow + 1) * KEY_WORDS)
  }

  hashOf(flow: number): number {
    return this.#hashes[flow]
  }

  #spread(): void {
    const places = new Int32Array(this.#places.length * 2)
    const mask = places.length - 1
    for (const entry of this.#places) {
      if (entry === 0) continue
      let place = this.#hashes[entry - 1] & mask
      while (places[place] !== 0) place = (place + 1) & mask
      places[place] = entry
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
}

/** Murmur3's mixing over the words of the key. */
function hashOf(key: FlowKey, seed: number): number {
  let hash = seed
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
  return hash
}

function twice(words: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(words.length * 2)
  larger.set(words)
  return larger
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
