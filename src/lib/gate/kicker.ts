import {systemCallError} from '../kernel/errno.js'
import {addressOf, allocate, type Memory, sys} from '../kernel/libc.js'
import {SOCKADDR_LENGTH, writeSockaddr} from '../kernel/sockaddr.js'
import {KICK_MARK} from './kick-packet.js'

/** SO_MARK of SYN/ACKs and SYNs that are made without a socket (bpf/gate-maps.h): the gate lets them pass. */
export const SETUP_MARK = 0x4f_56_00_03

const AF_INET = 2
const AF_INET6 = 10
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0o2000000 | 0o4000
/** "I bring the IP header myself", for both families (raw(7), ipv6(7)). */
const IPPROTO_RAW = 255
const SOL_SOCKET = 1
const SO_MARK = 36

/** A whole IP packet, at most 128 bytes. */
export interface RawIpPacket {
  readonly bytes: Buffer
  readonly ipv6: boolean
  /** Its destination: 16 bytes, IPv4 as IPv4-mapped. */
  readonly remote: Buffer
}

/** Sends kicks, or other packets with a mark, through raw sockets, one of each family, opened beforehand: a takeover must not wait for them. */
export class Kicker {
  readonly #ipv4: number
  readonly #ipv6: number
  /** Where a packet and its destination lie while it is sent. */
  readonly #packet: Memory = allocate(128)
  readonly #destination: Memory = allocate(SOCKADDR_LENGTH)

  /**
   * @param mark SO_MARK, by which the gate knows what it is
   * @throws OverlayError PRIVILEGE_MISSING without CAP_NET_RAW
   */
  constructor(mark = KICK_MARK) {
    this.#ipv4 = rawSocket(AF_INET, mark)
    this.#ipv6 = rawSocket(AF_INET6, mark)
  }

  /**
   * Sends a kick that was aimed. Lost ones do not matter: the next carries a higher gate.
   *
   * @returns false when the kernel took it not, e.g. for want of a buffer
   */
  send(packet: RawIpPacket): boolean {
    packet.bytes.copy(this.#packet.bytes)
    // A raw socket has no ports; IPv6 refuses one.
    const length = writeSockaddr(this.#destination.bytes, packet.remote, 0, 0)
    const fd = packet.ipv6 ? this.#ipv6 : this.#ipv4
    return sys.sendto(fd, this.#packet.address, packet.bytes.length, 0, this.#destination.address, length) > 0
  }

  close(): void {
    sys.close(this.#ipv4)
    sys.close(this.#ipv6)
  }
}

function rawSocket(family: number, value: number): number {
  const fd = sys.socket(family, SOCK_RAW_CLOEXEC_NONBLOCK, IPPROTO_RAW)
  if (fd < 0) throw systemCallError('raw socket')
  const mark = Buffer.allocUnsafeSlow(4)
  mark.writeUInt32LE(value)
  if (sys.setsockopt(fd, SOL_SOCKET, SO_MARK, addressOf(mark), 4) !== 0) throw systemCallError('SO_MARK')
  return fd
}
