import {OverlayError} from '../errors/index.js'
import {addressBytes} from '../wire/endpoint.js'
import {EADDRNOTAVAIL, EEXIST, systemCallError} from './errno.js'
import {allocate, sys} from './libc.js'
import {AF_INET, AF_INET6, MSG_DONTWAIT, SOCK_CLOEXEC} from './socket-constants.js'

const AF_NETLINK = 16
const SOCK_RAW = 3
const NETLINK_ROUTE = 0
/** linux/rtnetlink.h, linux/netlink.h, linux/if_addr.h */
const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const NLM_F_REQUEST = 0x1
const NLM_F_ACK = 0x4
const NLM_F_EXCL = 0x200
const NLM_F_CREATE = 0x400
const NLMSG_ERROR = 2
const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_CACHEINFO = 6
const IFA_FLAGS = 8
const IFA_F_NODAD = 2
const FOREVER = 0xff_ff_ff_ff

const request = allocate(128)
const answer = allocate(512)

/**
 * Adds and removes addresses of one interface, each by one rtnetlink message and its acknowledgement. Opened before it
 * is needed. When a call returns the kernel has acknowledged it.
 */
export class InterfaceAddresses {
  #fd: number
  #index: number
  #sequence = 0

  /** @throws OverlayError NOT_FOUND for no such interface */
  constructor(readonly interfaceName: string) {
    this.#index = sys.if_nametoindex(interfaceName)
    if (this.#index === 0) throw new OverlayError('NOT_FOUND', `there is no interface "${interfaceName}"`)
    this.#fd = sys.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)
    if (this.#fd < 0) throw systemCallError('rtnetlink socket')
  }

  /**
   * Adds an address. An IPv6 address is usable at once (no duplicate address detection: the other member of the pair
   * may still hold it) and is never the kernel's choice for new connections (preferred lifetime 0).
   *
   * @param prefixLength of the network that it shares with its neighbours; 32 or 128 where the interface has an address
   * of that network already, then removing that one leaves this one alone
   * @returns false when the interface has it already
   * @throws OverlayError SYSTEM_CALL_FAILED, PRIVILEGE_MISSING
   */
  add(address: string, prefixLength: number): boolean {
    const error = this.#exchange(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address, prefixLength)
    if (error === EEXIST) return false
    if (error !== 0) throw systemCallError(`adding ${address}/${prefixLength} to ${this.interfaceName}`, error)
    return true
  }

  /**
   * Removes an address; connections that have it keep their sockets.
   *
   * @returns false when the interface does not have it
   * @throws OverlayError SYSTEM_CALL_FAILED, PRIVILEGE_MISSING
   */
  remove(address: string, prefixLength: number): boolean {
    const error = this.#exchange(RTM_DELADDR, 0, address, prefixLength)
    if (error === EADDRNOTAVAIL) return false
    if (error !== 0) throw systemCallError(`removing ${address}/${prefixLength} from ${this.interfaceName}`, error)
    return true
  }

  close(): void {
    sys.close(this.#fd)
  }

  /** @returns the errno of the answer, 0 for done */
  #exchange(type: number, flags: number, address: string, prefixLength: number): number {
    const ipv6 = address.includes(':')
    const bytes = addressBytes(address).subarray(ipv6 ? 0 : 12)
    const {bytes: out} = request
    out.fill(0)
    out.writeUInt16LE(type, 4)
    out.writeUInt16LE(NLM_F_REQUEST | NLM_F_ACK | flags, 6)
    out.writeUInt32LE(++this.#sequence, 8)
    out[16] = ipv6 ? AF_INET6 : AF_INET
    out[17] = prefixLength
    out.writeUInt32LE(this.#index, 20)
    let end = 24
    const attribute = (kind: number, value: Uint8Array): void => {
      out.writeUInt16LE(4 + value.length, end)
      out.writeUInt16LE(kind, end + 2)
      out.set(value, end + 4)
      end += 4 + value.length
    }

    attribute(IFA_LOCAL, bytes)
    attribute(IFA_ADDRESS, bytes)
    if (ipv6 && type === RTM_NEWADDR) {
      attribute(IFA_FLAGS, words(IFA_F_NODAD))
      attribute(IFA_CACHEINFO, words(0, FOREVER, 0, 0))
    }

    out.writeUInt32LE(end, 0)
    if (sys.send(this.#fd, request.address, end, 0) < 0) throw systemCallError('rtnetlink send')
    return this.#acknowledgement()
  }

  /** The kernel handles the message within send(): its answer is there when that returns. */
  #acknowledgement(): number {
    for (;;) {
      const length = sys.recv(this.#fd, answer.address, answer.bytes.length, MSG_DONTWAIT)
      if (length < 0) throw systemCallError('rtnetlink answer')
      const {bytes} = answer
      const isAnswer = length >= 20 && bytes.readUInt16LE(4) === NLMSG_ERROR
      if (isAnswer && bytes.readUInt32LE(8) === this.#sequence) return -bytes.readInt32LE(16)
    }
  }
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, index * 4)
  return bytes
}
