import {addressBytes} from '../wire/endpoint.js'
import {OverlayError} from '../errors/index.js'
import {EADDRINUSE, systemCallError} from './errno.js'
import {allocate, errno, sys} from './libc.js'
import {familyOf, SOCKADDR_LENGTH, writeSockaddr} from './sockaddr.js'
import {SOCK_CLOEXEC, SOCK_STREAM} from './socket-constants.js'

const sockaddr = allocate(SOCKADDR_LENGTH)

/** TCP ports of one address that no other program of this host gets while they are held. */
export class ReservedPorts {
  readonly ports: readonly number[]
  readonly #sockets: number[]

  private constructor(ports: number[], sockets: number[]) {
    this.ports = ports
    this.#sockets = sockets
  }

  /**
   * Binds `count` ports upwards from `first`, passing over those in use, without listening on them.
   *
   * @param address of this host
   * @param first 1 to 65535
   * @throws OverlayError ADDRESS_IN_USE when fewer are free below 65536, or the address is not of this host
   */
  static take(address: string, first: number, count: number): ReservedPorts {
    const bytes = addressBytes(address)
    const ports: number[] = []
    const sockets: number[] = []
    try {
      for (let port = first; ports.length < count; port++) {
        if (port > 65_535) throw new OverlayError('ADDRESS_IN_USE', `${count} ports above ${first} are not free`)
        const fd = sys.socket(familyOf(bytes), SOCK_STREAM | SOCK_CLOEXEC, 0)
        if (fd < 0) throw systemCallError('a socket to hold a port')
        sockets.push(fd)
        if (sys.bind(fd, sockaddr.address, writeSockaddr(sockaddr.bytes, bytes, 0, port)) === 0) {
          ports.push(port)
          continue
        }

        const number = errno()
        if (number !== EADDRINUSE) {
          throw new OverlayError('ADDRESS_IN_USE', `${address} is no address of this host`, {
            cause: systemCallError(`bind ${address}`, number).cause,
          })
        }

        sys.close(sockets.pop()!)
      }
    } catch (error) {
      for (const fd of sockets) sys.close(fd)
      throw error
    }

    return new ReservedPorts(ports, sockets)
  }

  release(): void {
    for (const fd of this.#sockets.splice(0)) sys.close(fd)
  }
}
