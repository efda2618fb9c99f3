/**
 * `udp-load ADDRESS PORT PACKETS PACKETS_PER_SECOND [BYTES]`: sends numbered UDP packets at an even rate, in bursts of a
 * millisecond or two. The first four bytes of the payload are the number, big-endian, from 0. Plain JavaScript, so that
 * it starts in 50 ms.
 */
import {createSocket} from 'node:dgram'
import {setTimeout as sleep} from 'node:timers/promises'

const [address, ...numbers] = process.argv.slice(2)
const [port, packets, perSecond, bytes = 64] = numbers.map(Number)
const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
// Nothing listens over there: its "port unreachable" is not of interest.
socket.on('error', () => {})

let sent = 0
const started = performance.now()
while (sent < packets) {
  const due = Math.min(packets, Math.floor(((performance.now() - started) / 1000) * perSecond) + 1)
  for (; sent < due; sent++) {
    const payload = Buffer.alloc(bytes)
    payload.writeUInt32BE(sent, 0)
    socket.send(payload, port, address)
  }

  await sleep(1)
}

socket.close()
