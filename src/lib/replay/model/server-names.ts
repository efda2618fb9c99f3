import {HashIndex} from '../spill/hash-index.js'
import {PAGE_BYTES, PagedFile} from '../spill/paged-file.js'
import type {ScratchSpace} from '../spill/scratch-space.js'

/** A length, and `[ipv6]:port` of at most 47 characters. */
const SLOT_BYTES = 64
const A_PAGE = PAGE_BYTES / SLOT_BYTES
const PAGES = 16

/** Servers by number, each once, from 0 in the order in which they were asked for. */
export class ServerNames {
  readonly #slots: PagedFile
  readonly #numbers: HashIndex
  #length = 0

  constructor(scratch: ScratchSpace) {
    this.#slots = new PagedFile(scratch, PAGES)
    this.#numbers = new HashIndex(scratch)
  }

  get length(): number {
    return this.#length
  }

  /** @param name `ip:port` or `[ipv6]:port` */
  numberOf(name: string): number {
    const hash = hashOf(name)
    const known = this.#numbers.lookUp(hash, (number) => this.at(number) === name)
    if (known !== -1) return known
    const number = this.#length++
    const {bytes} = this.#slots.page(Math.floor(number / A_PAGE), true)
    const at = (number % A_PAGE) * SLOT_BYTES
    bytes[at] = bytes.write(name, at + 1, SLOT_BYTES - 1, 'latin1')
    this.#numbers.set(hash, number)
    return number
  }

  /** @param number below the length */
  at(number: number): string {
    const {bytes} = this.#slots.page(Math.floor(number / A_PAGE))
    const at = (number % A_PAGE) * SLOT_BYTES
    return bytes.toString('latin1', at + 1, at + 1 + bytes[at])
  }
}

/** FNV-1a, and Murmur3's last mixing, since an index goes by the upper bits. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.codePointAt(at)!, 0x01000193)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
