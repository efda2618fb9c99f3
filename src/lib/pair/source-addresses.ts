import {allocate, sys} from '../kernel/libc.js'
import {SOCKADDR_LENGTH, familyOf, readSockaddr, writeSockaddr} from '../kernel/sockaddr.js'
import {SOCK_CLOEXEC} from '../kernel/socket-constants.js'
import {addressBytes} from '../wire/endpoint.js'
import type {VirtualAddress} from './pair-config.js'

const SOCK_DGRAM = 2
/** Any port does: a UDP socket that is connected sends nothing. */
const DISCARD_PORT = 9

/** Destinations that are remembered; then the memory begins anew. */
const MEMORY = 4096

const sockaddr = allocate(SOCKADDR_LENGTH)
const length = allocate(4)

interface Network {
  readonly address: Buffer
  /** Bits of the mapped form. */
  readonly bits: number
}

/** Which virtual address leads to a destination: the one in the network of the address that the kernel would choose. */
export class SourceAddresses {
  readonly #networks: readonly Network[]
  readonly #known = new Map<string, Buffer | null>()

  constructor(addresses: readonly VirtualAddress[]) {
    this.#networks = addresses.map(({address, prefix}) => ({
      address: addressBytes(address),
      bits: address.includes(':') ? prefix : prefix + 96,
    }))
  }

  /**
   * @param remote 16 bytes, IPv4 as IPv4-mapped
   * @returns 16 bytes, or null when no virtual address is in that network
   */
  towards(remote: Buffer): Buffer | null {
    const key = remote.toString('latin1')
    let found = this.#known.get(key)
    if (found === undefined) {
      found = this.#find(remote)
      if (this.#known.size >= MEMORY) this.#known.clear()
      this.#known.set(key, found)
    }

    return found
  }

  #find(remote: Buffer): Buffer | null {
    const direct = this.#in(remote)
    if (direct !== null) return direct
    const own = ownAddressTowards(remote)
    return own === null ? null : this.#in(own)
  }

  #in(address: Buffer): Buffer | null {
    return this.#networks.find((network) => sameBits(network.address, address, network.bits))?.address ?? null
  }
}

function sameBits(a: Buffer, b: Buffer, bits: number): boolean {
  const whole = bits >> 3
  if (a.compare(b, 0, whole, 0, whole) !== 0) return false
  const rest = bits & 7
  return rest === 0 || (a[whole] ^ b[whole]) >> (8 - rest) === 0
}

/** The source address of the route to a destination; null without one. */
function ownAddressTowards(remote: Buffer): Buffer | null {
  const fd = sys.socket(familyOf(remote), SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0) return null
  try {
    const size = writeSockaddr(sockaddr.bytes, remote, 0, DISCARD_PORT)
    if (sys.connect(fd, sockaddr.address, size) < 0) return null
    length.bytes.writeUInt32LE(SOCKADDR_LENGTH, 0)
    if (sys.getsockname(fd, sockaddr.address, length.address) < 0) return null
    const own = Buffer.alloc(16)
    readSockaddr(sockaddr.bytes, own, 0)
    return own
  } finally {
    sys.close(fd)
  }
}
