import {OverlayError} from '../errors/index.js'
import {announcementFrames} from '../wire/address-announcement.js'
import {systemCallError} from './errno.js'
import {allocate, sys} from './libc.js'
import {MSG_DONTWAIT, SOCK_CLOEXEC} from './socket-constants.js'

const AF_PACKET = 17
const SOCK_RAW = 3
const SOCKADDR_LL_BYTES = 20
const SIOCGIFHWADDR = 0x8927
const IFREQ_BYTES = 40
/** linux/if_arp.h */
const ARPHRD_ETHER = 1

/**
 * Tells the neighbours on one interface that an address is here now. Opened beforehand (CAP_NET_RAW), so that a
 * takeover only sends; everything is made ready then, also the frames.
 */
export class AddressAnnouncer {
  #fd: number
  #to: number
  #frames: {at: number; length: number}[]

  /**
   * @param interfaceName carries Ethernet
   * @param addresses of either family
   * @throws OverlayError NOT_FOUND for no such interface, KERNEL_FEATURE_MISSING for one without Ethernet,
   * PRIVILEGE_MISSING
   */
  constructor(
    readonly interfaceName: string,
    addresses: readonly string[],
  ) {
    const index = sys.if_nametoindex(interfaceName)
    if (index === 0) throw new OverlayError('NOT_FOUND', `there is no interface "${interfaceName}"`)
    // Protocol 0: a socket that sends and receives nothing.
    this.#fd = sys.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)
    if (this.#fd < 0) throw systemCallError('packet socket')
    try {
      const mac = hardwareAddress(this.#fd, interfaceName)
      const to = allocate(SOCKADDR_LL_BYTES)
      to.bytes.writeUInt16LE(AF_PACKET, 0)
      to.bytes.writeInt32LE(index, 4)
      to.bytes[11] = 6
      this.#to = to.address
      this.#frames = addresses
        .flatMap((address) => announcementFrames(address, mac))
        .map((frame) => {
          const memory = allocate(frame.length)
          frame.copy(memory.bytes)
          return {at: memory.address, length: frame.length}
        })
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** @throws OverlayError SYSTEM_CALL_FAILED, e.g. ENETDOWN */
  announce(): void {
    for (const {at, length} of this.#frames) {
      if (sys.sendto(this.#fd, at, length, MSG_DONTWAIT, this.#to, SOCKADDR_LL_BYTES) < 0) {
        throw systemCallError(`announcement on ${this.interfaceName}`)
      }
    }
  }

  close(): void {
    sys.close(this.#fd)
  }
}

function hardwareAddress(fd: number, interfaceName: string): Buffer {
  const request = allocate(IFREQ_BYTES)
  request.bytes.write(interfaceName, 0, 15, 'latin1')
  if (sys.ioctl(fd, SIOCGIFHWADDR, request.address) < 0) throw systemCallError(`SIOCGIFHWADDR ${interfaceName}`)
  if (request.bytes.readUInt16LE(16) !== ARPHRD_ETHER) {
    throw new OverlayError('KERNEL_FEATURE_MISSING', `interface "${interfaceName}" does not carry Ethernet frames`)
  }

  return request.bytes.subarray(18, 24)
}
