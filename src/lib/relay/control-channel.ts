import {StringDecoder} from 'node:string_decoder'

import {EAGAIN, EINTR} from '../kernel/errno.js'
import {addressOf, allocate, errno, sys} from '../kernel/libc.js'
import {EPOLLOUT, MSG_DONTWAIT, MSG_NOSIGNAL} from '../kernel/socket-constants.js'
import type {FromProcess, ToProcess} from './control-protocol.js'
import {Pollable, type EpollLoop} from './epoll-loop.js'
import {JsonLines} from './json-lines.js'

/** Bytes that wait for a supervisor which does not read; beyond that, log lines are dropped. */
const BACKLOG_LIMIT = 8 * 1024 * 1024

/** The relay process's end of the control stream, in the same epoll set as everything else. */
export class ControlChannel extends Pollable {
  private readonly buffer = allocate(65_536)
  private readonly decoder = new StringDecoder('utf8')
  private readonly lines = new JsonLines()
  private backlog: Buffer[] = []
  private backlogLength = 0

  /**
   * @param fd a connected unix stream
   * @param receive called for each message
   * @param ended called when the supervisor is gone
   */
  constructor(
    loop: EpollLoop,
    fd: number,
    private readonly receive: (message: ToProcess) => void,
    private readonly ended: () => void,
  ) {
    super()
    loop.assign(this, fd)
    loop.watch(this)
  }

  override onEvents(mask: number): void {
    if ((mask & EPOLLOUT) !== 0) this.flush()
    this.read()
  }

  send(message: FromProcess): void {
    if (message.type === 'log' && this.backlogLength > BACKLOG_LIMIT) return
    const text = Buffer.from(JSON.stringify(message) + '\n')
    const bytes = Buffer.allocUnsafeSlow(text.length)
    text.copy(bytes)
    this.backlog.push(bytes)
    this.backlogLength += bytes.length
    this.flush()
  }

  private read(): void {
    for (;;) {
      const length = sys.recv(this.fd, this.buffer.address, this.buffer.bytes.length, MSG_DONTWAIT)
      if (length < 0 && errno() === EAGAIN) return
      if (length < 0 && errno() === EINTR) continue
      if (length <= 0) {
        this.ended()
        return
      }

      const text = this.decoder.write(Buffer.from(this.buffer.bytes.subarray(0, length)))
      for (const message of this.lines.push(text)) this.receive(message as ToProcess)
    }
  }

  private flush(): void {
    while (this.backlog.length > 0) {
      const [bytes] = this.backlog
      const sent = sys.send(this.fd, addressOf(bytes), bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL)
      if (sent < 0) return
      this.backlogLength -= sent
      if (sent === bytes.length) {
        this.backlog.shift()
      } else {
        const rest = Buffer.allocUnsafeSlow(bytes.length - sent)
        bytes.copy(rest, 0, sent)
        this.backlog[0] = rest
      }
    }
  }
}
