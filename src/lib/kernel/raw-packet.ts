import {addressBytes} from '../wire/endpoint.js'
import {TcpFlag} from '../wire/tcp-segment.js'
import {encodeIp, type BareSegment} from '../wire/tcp-packet.js'
import {hasReceivedFin, type ConnectionRecord} from './connection-record.js'
import {systemCallError} from './errno.js'
import {allocate, sys} from './libc.js'
import {SOCKADDR_LENGTH, writeSockaddr} from './sockaddr.js'
import {AF_INET, AF_INET6, MSG_DONTWAIT, SOCK_CLOEXEC, SOL_SOCKET} from './socket-constants.js'
import {readTcpInfo, tcpInfo} from './tcp-info.js'
import {setMark} from './tcp-socket.js'

const SOCK_RAW = 3
/** With it a raw socket sends whole IP packets, in both families, and receives nothing. */
const IPPROTO_RAW = 255
const SO_SNDBUFFORCE = 32
/** Many at once when a pair's whole load moves; the kernel doubles it. */
const SEND_BUFFER_BYTES = 1024 * 1024
const PACKET_BYTES = 60

const packet = allocate(PACKET_BYTES)
const sockaddr = allocate(SOCKADDR_LENGTH)

/** Sends TCP segments that no socket of this host would send. To be opened before it is needed: CAP_NET_RAW. */
export class RawPacketSender {
  #sockets: Record<'ipv4' | 'ipv6', number>

  /**
   * @param mark SO_MARK of all its packets; 0 for none
   * @throws OverlayError PRIVILEGE_MISSING
   */
  constructor(mark = 0) {
    const ipv4 = rawSocket(AF_INET, mark)
    try {
      this.#sockets = {ipv4, ipv6: rawSocket(AF_INET6, mark)}
    } catch (error) {
      sys.close(ipv4)
      throw error
    }
  }

  /**
   * Sends one segment to its destination by the routing table; to an address of this host that is over lo, and its
   * source may be anybody's.
   *
   * @throws OverlayError SYSTEM_CALL_FAILED, EAGAIN when the send buffer is full
   */
  send(segment: BareSegment): void {
    const bytes = encodeIp(segment)
    if (bytes.length > PACKET_BYTES) throw new RangeError(`a bare segment of ${bytes.length} bytes`)
    bytes.copy(packet.bytes)
    const {address} = segment.destination
    // The kernel wants port 0 here (rawv6_sendmsg).
    const size = writeSockaddr(sockaddr.bytes, addressBytes(address), 0, 0)
    const fd = address.includes(':') ? this.#sockets.ipv6 : this.#sockets.ipv4
    if (sys.sendto(fd, packet.address, bytes.length, MSG_DONTWAIT, sockaddr.address, size) < 0) {
      throw systemCallError(`raw packet to ${address}`)
    }
  }

  close(): void {
    for (const fd of Object.values(this.#sockets)) sys.close(fd)
  }
}

/** What of a record the FIN needs. */
export type FinPlace = Pick<ConnectionRecord, 'local' | 'receiveNext' | 'remote' | 'sendNext' | 'sendScale'> & {
  window: Pick<ConnectionRecord['window'], 'sendWindow'>
}

/**
 * Gives a restored connection the FIN that the peer had sent to the old host, which acknowledged it: the peer will
 * never send it again. To be called after leaveRepair; all bytes before the FIN have been received.
 *
 * It has no timestamp option, since nobody here knows the peer's clock, and a wrong TSval would make the kernel drop
 * either this or the peer's next segment (PAWS); without one no such check is made (tcp_validate_incoming).
 *
 * @param record as it was restored: `receiveNext` is the FIN's number, `sendNext` an acknowledgement that changes nothing
 * @returns whether the connection has it now; if not, to be repeated after a few ms. Over IPv6 it was sometimes not
 * taken; why is not known.
 * @throws OverlayError SYSTEM_CALL_FAILED
 */
export function loopInFin(sender: RawPacketSender, fd: number, record: FinPlace): boolean {
  sender.send({
    source: record.remote,
    destination: record.local,
    sequence: record.receiveNext,
    acknowledgment: record.sendNext,
    flags: TcpFlag.FIN | TcpFlag.ACK,
    window: Math.min(65_535, record.window.sendWindow >>> record.sendScale),
  })
  return readTcpInfo(fd) && hasReceivedFin(tcpInfo.state)
}

function rawSocket(family: number, mark: number): number {
  const fd = sys.socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)
  if (fd < 0) throw systemCallError('raw socket')
  const room = allocate(4)
  room.bytes.writeUInt32LE(SEND_BUFFER_BYTES)
  sys.setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, room.address, 4)
  if (mark !== 0 && !setMark(fd, mark)) {
    const error = systemCallError(`SO_MARK ${mark} of a raw socket`)
    sys.close(fd)
    throw error
  }

  return fd
}
