import {EAGAIN} from '../../../src/lib/kernel/errno.js'
import {allocate, errno, sys} from '../../../src/lib/kernel/libc.js'
import {AF_UNIX, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_DGRAM} from '../../../src/lib/kernel/socket-constants.js'

/** The end of NOTIFY_SOCKET that a service manager holds. */
export class NotifySocket {
  readonly messages: string[] = []
  private readonly fd = sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  private readonly buffer = allocate(4096)

  /** @param path with `@` in front, a name of the abstract namespace */
  constructor(path: string) {
    const address = allocate(110)
    address.bytes.writeUInt16LE(AF_UNIX, 0)
    const length = address.bytes.write(path, 2)
    if (path.startsWith('@')) address.bytes[2] = 0
    const bound = sys.bind(this.fd, address.address, 2 + length + (path.startsWith('@') ? 0 : 1))
    if (bound !== 0) throw new Error(`bind ${path}: errno ${errno()}`)
  }

  /** All that has come so far. */
  read(): string[] {
    for (;;) {
      const length = sys.recv(this.fd, this.buffer.address, 4096, MSG_DONTWAIT)
      if (length >= 0) this.messages.push(this.buffer.bytes.toString('utf8', 0, length))
      else if (errno() === EAGAIN) return this.messages
      else throw new Error(`recv: errno ${errno()}`)
    }
  }

  close(): void {
    sys.close(this.fd)
  }
}
