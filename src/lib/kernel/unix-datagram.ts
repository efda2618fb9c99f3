import {allocate, errno, sys} from './libc.js'
import {AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM} from './socket-constants.js'

/** sun_path of struct sockaddr_un (linux/un.h). */
const PATH_LENGTH = 108

/** Bytes of one datagram, at most. */
const DATAGRAM_LIMIT = 4096

/** Sends datagrams to one unix socket, for which Node has nothing. Never blocks. */
export class UnixDatagramSender {
  private readonly address = allocate(2 + PATH_LENGTH)
  private readonly message = allocate(DATAGRAM_LIMIT)
  private readonly addressLength: number

  /**
   * @param path of a socket file; one that starts with `@` is a name of the abstract namespace (unix(7)), the sign standing
   * for its first byte, zero. 2 to 107 bytes.
   * @throws RangeError for a longer or shorter one
   */
  constructor(path: string) {
    const {bytes} = this.address
    const length = Buffer.byteLength(path)
    if (length < 2 || length >= PATH_LENGTH) throw new RangeError(`a unix socket's path of ${length} bytes`)
    bytes.writeUInt16LE(AF_UNIX, 0)
    bytes.write(path, 2)
    const abstract = path.startsWith('@')
    if (abstract) bytes[2] = 0
    // Every byte counts of an abstract name; a path ends with its zero.
    this.addressLength = 2 + length + (abstract ? 0 : 1)
  }

  /**
   * @param text at most 4096 bytes of UTF-8; what is longer is cut
   * @returns 0, or the errno: EAGAIN when the receiver's queue is full
   */
  send(text: string): number {
    const fd = sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    if (fd < 0) return errno()
    const length = this.message.bytes.write(text)
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL
    const sent = sys.sendto(fd, this.message.address, length, flags, this.address.address, this.addressLength)
    const error = sent < 0 ? errno() : 0
    sys.close(fd)
    return error
  }
}
