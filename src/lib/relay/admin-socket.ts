import {once} from 'node:events'
import {chmodSync} from 'node:fs'
import {createServer, type Server, type Socket} from 'node:net'

import {OverlayError, toOverlayError} from '../errors/index.js'
import type {AdminRequest} from './admin-client.js'
import {JsonLines} from './json-lines.js'

/** Characters of a request, at most. */
const REQUEST_LIMIT = 65_536

/** How long whoever asked may take to read what it was sent, ms. */
const READ_DEADLINE_MS = 5000

/** Sends a part of an answer ahead of its end; settles when there is room for more. */
export type PartSender = (part: object) => Promise<void>

/**
 * Where `status` and `drain` ask: a unix socket for its owner alone, one JSON object a line each way. A long answer comes in
 * lines with `part`, and ends as every other in one with `result` or `error`.
 */
export class AdminSocket {
  private readonly server: Server
  private readonly open = new Set<Socket>()

  constructor(private readonly handle: (request: AdminRequest, part: PartSender) => Promise<object>) {
    this.server = createServer((socket) => this.serve(socket))
  }

  /** @throws OverlayError ALREADY_EXISTS, PRIVILEGE_MISSING */
  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          error.code === 'EADDRINUSE'
            ? new OverlayError('ALREADY_EXISTS', 'another instance of this name is just starting')
            : new OverlayError('PRIVILEGE_MISSING', `cannot listen on ${path}`, {cause: error.code}),
        )
      })
      // The directory is open to its owner alone, so there is no moment in which others could connect.
      this.server.listen(path, resolve)
    })
    chmodSync(path, 0o600)
  }

  /** Ends listening; answers that are under way are still sent. */
  close(): void {
    this.server.close()
    for (const socket of this.open) socket.end()
  }

  private serve(socket: Socket): void {
    const lines = new JsonLines(REQUEST_LIMIT)
    this.open.add(socket)
    socket.setEncoding('utf8')
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.open.delete(socket))
    socket.on('data', (text: string) => {
      let requests: unknown[]
      try {
        requests = lines.push(text)
      } catch {
        socket.destroy()
        return
      }

      for (const request of requests) this.answer(socket, request as AdminRequest).catch(() => socket.destroy())
    })
  }

  private async answer(socket: Socket, request: AdminRequest): Promise<void> {
    let answer: object
    try {
      answer = {result: await this.handle(request, (part) => this.sendPart(socket, part))}
    } catch (error) {
      answer = {error: toOverlayError(error).toJson()}
    }

    if (socket.writable) socket.write(JSON.stringify(answer) + '\n')
  }

  /** @throws Error when nobody reads it */
  private async sendPart(socket: Socket, part: object): Promise<void> {
    if (!socket.writable) throw new Error('nobody waits for the answer any more')
    if (socket.write(JSON.stringify({part}) + '\n')) return
    await once(socket, 'drain', {signal: AbortSignal.timeout(READ_DEADLINE_MS)}).catch((error: unknown) => {
      socket.destroy()
      throw error
    })
  }
}
