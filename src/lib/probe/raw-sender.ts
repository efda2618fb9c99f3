import raw from 'raw-socket'

import {OverlayError} from '../errors/index.js'

/** With it a raw socket sends whole IP packets, in both families, and receives nothing (raw(7), rawv6_init_sk). */
const IPPROTO_RAW = 255

/** Raw sockets of one address family: whole packets out, ICMP messages in. */
export class RawSender {
  readonly #packets: raw.Socket
  readonly #icmp: raw.Socket

  /**
   * @param onIcmp gets each ICMP message that this host receives or makes for itself: with its IP header over IPv4,
   * without it over IPv6
   * @throws OverlayError PRIVILEGE_MISSING
   */
  constructor(ipv6: boolean, onIcmp: (bytes: Buffer, source: string) => void) {
    const addressFamily = ipv6 ? raw.AddressFamily.IPv6 : raw.AddressFamily.IPv4
    this.#packets = open(IPPROTO_RAW, addressFamily)
    try {
      this.#icmp = open(ipv6 ? raw.Protocol.ICMPv6 : raw.Protocol.ICMP, addressFamily)
    } catch (error) {
      this.#packets.close()
      throw error
    }

    this.#icmp.on('message', onIcmp)
    // An error that the kernel queued on the socket says nothing that the message itself does not.
    for (const socket of [this.#packets, this.#icmp]) socket.on('error', () => {})
  }

  /**
   * Sends one packet; packets leave in the order of the calls.
   *
   * @returns null, or why the kernel did not take it, in the words of strerror(3)
   */
  send(packet: Buffer, destination: string): Promise<string | null> {
    return new Promise((resolve) => {
      this.#packets.send(packet, 0, packet.length, destination, (error) => resolve(error ? error.message : null))
    })
  }

  close(): void {
    this.#packets.close()
    this.#icmp.close()
  }
}

function open(protocol: number, addressFamily: number): raw.Socket {
  try {
    return raw.createSocket({protocol, addressFamily, bufferSize: 65_536})
  } catch (error) {
    throw new OverlayError('PRIVILEGE_MISSING', 'a raw socket was refused', {
      cause: error,
      suggestions: ['run as root, or grant CAP_NET_RAW and CAP_NET_ADMIN'],
    })
  }
}
