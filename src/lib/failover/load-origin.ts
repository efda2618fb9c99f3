import {createHash} from 'node:crypto'
import {createServer, type Socket} from 'node:net'
import process from 'node:process'

import {BANNER, Content, HEADER_LENGTH, readFlowHeader, type FlowHeader} from './content.js'

/** What an origin says of a flow when it has ended, one JSON object a line. */
export interface OriginReport {
  flow: number
  received: number
  /** Of the first byte that is another than it should be; −1 when all are right. */
  wrongAt: number
  sha256: string
  error: string | null
}

/** The most that is written in one turn, bytes. */
const CHUNK = 65_521

/**
 * The origin's half of a load: `load-origin.js PORT BANNER_PORT`. On the second port it speaks first. Prints `ready`, then
 * a line for each flow.
 */
function serve(socket: Socket, banner: boolean): void {
  let header: FlowHeader | null = null
  let content: Content | null = null
  let early = Buffer.alloc(0)
  let received = 0
  let wrongAt = -1
  let sent = 0
  let error: string | null = null
  const hash = createHash('sha256')
  if (banner) socket.write(BANNER)

  const send = (): void => {
    if (header === null) return
    const own = new Content(header.flow, 1)
    const more = (): void => {
      while (sent < header!.down) {
        const part = own.slice(sent, Math.min(CHUNK, header!.down - sent))
        sent += part.length
        // The content's memory is reused by nobody: no copy is needed.
        if (!socket.write(part)) {
          socket.once('drain', more)
          return
        }
      }

      finish()
    }

    more()
  }

  const finish = (): void => {
    if (header === null || sent < header.down) return
    if (header.serverCloses || received >= header.up) socket.end()
  }

  socket.on('data', (chunk: Buffer) => {
    let bytes = chunk
    if (header === null) {
      early = Buffer.concat([early, chunk])
      if (early.length < HEADER_LENGTH) return
      header = readFlowHeader(early)
      content = new Content(header.flow, 0)
      bytes = early.subarray(HEADER_LENGTH)
      send()
    }

    hash.update(bytes)
    if (wrongAt < 0) wrongAt = content!.differs(received, bytes)
    received += bytes.length
    finish()
  })
  socket.on('error', (failure: NodeJS.ErrnoException) => {
    error = failure.code ?? failure.message
  })
  socket.on('close', () => {
    if (header === null) return
    const report: OriginReport = {flow: header.flow, received, wrongAt, sha256: hash.digest('hex'), error}
    process.stdout.write(JSON.stringify(report) + '\n')
  })
}

const [port, bannerPort] = process.argv.slice(2).map(Number)
createServer({allowHalfOpen: true, noDelay: true}, (socket) => serve(socket, false)).listen({port, host: '::'}, () => {
  createServer({allowHalfOpen: true, noDelay: true}, (socket) => serve(socket, true)).listen(
    {port: bannerPort, host: '::'},
    () => process.stdout.write('ready\n'),
  )
})
