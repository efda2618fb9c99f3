import {connect} from 'node:net'
import process from 'node:process'

import {Content, writeFlowHeader} from '../failover/content.js'

/** A burst of two full segments, which no kernel leaves without an acknowledgement. */
const BURST_BYTES = 2 * 1448

/** What a paced client is to do: `paced-client.js JSON`. */
export interface PacedOrders {
  address: string
  port: number
  flow: number
  bursts: number
  /** Between two bursts, ms. */
  everyMs: number
}

const {address, port, flow, bursts, everyMs} = JSON.parse(process.argv[2]) as PacedOrders
const content = new Content(flow, 0)
const up = bursts * BURST_BYTES
const socket = connect({host: address, port, noDelay: true})
let sent = 0

function burst(): void {
  const end = sent + BURST_BYTES
  const parts: Buffer[] = []
  while (sent < end) {
    const part = content.slice(sent, end - sent)
    parts.push(part)
    sent += part.length
  }

  socket.write(Buffer.concat(parts))
  if (sent < up) setTimeout(burst, everyMs)
}

socket.on('connect', () => {
  socket.write(writeFlowHeader({flow, up, down: 0, serverCloses: false}))
  setTimeout(burst, everyMs)
})
socket.on('data', () => {})
socket.on('end', () => socket.end())
socket.on('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
