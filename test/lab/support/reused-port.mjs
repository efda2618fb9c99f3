// reused-port.mjs ADDRESS PORT LOCAL-PORT: opens a connection to an echo server, says `open` and waits for a line; then uses
// it once more, closes it, and opens another from the same port. Exit code 0 when both were echoed, 1 after 5 s of silence.
import {once} from 'node:events'
import {connect} from 'node:net'
import {createInterface} from 'node:readline'
import {setTimeout as sleep} from 'node:timers/promises'

const [host, port, localPort] = process.argv.slice(2)
const BYTES = 20_000
/** A port in TIME-WAIT may be used again after so long with net.ipv4.tcp_tw_reuse, ms. */
const TIME_WAIT_MS = 1100

async function open() {
  const socket = connect({host, port: Number(port), localPort: Number(localPort)})
  await once(socket, 'connect')
  return socket
}

async function exchange(socket) {
  const sent = Buffer.alloc(BYTES, String(Math.random()))
  socket.write(sent)
  const parts = []
  for (let length = 0; length < BYTES; length = parts.reduce((sum, part) => sum + part.length, 0)) {
    const [part] = await once(socket, 'data', {signal: AbortSignal.timeout(5000)})
    parts.push(part)
  }

  if (!Buffer.concat(parts).equals(sent)) throw new Error('other bytes came back')
}

async function close(socket) {
  socket.end()
  await once(socket, 'close')
}

const first = await open()
await exchange(first)
process.stdout.write('open\n')
await once(createInterface({input: process.stdin}), 'line')
await exchange(first)
await close(first)
await sleep(TIME_WAIT_MS)
const second = await open()
await exchange(second)
await close(second)
process.exit(0)
