// Forged segments at a gateway, sent through a raw socket from inside a host.
//   forger.mjs SOURCE-PREFIX TARGET PORT COUNT       e.g. forger.mjs 10.77.2 10.77.2.21 7000 20000
// Half are SYNs that carry a number in the ACK field, half are data segments, all with random numbers, ports and option
// bits that look right. Source addresses are PREFIX.100 to .199. Prints "sent N".
import raw from 'raw-socket'
import {randomBytes} from 'node:crypto'

const [prefix, target, portText, countText] = process.argv.slice(2)
const port = Number(portText)
const count = Number(countText)
const socket = raw.createSocket({protocol: raw.Protocol.TCP, addressFamily: raw.AddressFamily.IPv4})
socket.setOption(raw.SocketLevel.IPPROTO_IP, raw.SocketOption.IP_HDRINCL, Buffer.from([1, 0, 0, 0]), 4)
const address = (text) => Buffer.from(text.split('.').map(Number))
const random = randomBytes(1 << 20)
let at = 0
const u32 = () => {
  at = (at + 4) % (random.length - 4)
  return random.readUInt32BE(at)
}

function checksum(...buffers) {
  let sum = 0
  for (const buffer of buffers)
    for (let i = 0; i < buffer.length; i += 2) sum += (buffer[i] << 8) | (buffer[i + 1] ?? 0)
  while (sum >> 16) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

const OPTIONS = 0x1_e0 // version 1, SACK permitted, an MSS index

function forge(syn) {
  const options = syn ? 20 : 12
  const data = syn ? 0 : 32
  const packet = Buffer.alloc(20 + 20 + options + data)
  packet.set([0x45, 0, 0, packet.length])
  packet.set([64, 6], 8)
  address(`${prefix}.${100 + (u32() % 100)}`).copy(packet, 12)
  address(target).copy(packet, 16)
  packet.writeUInt16BE(1024 + (u32() % 60_000), 20)
  packet.writeUInt16BE(port, 22)
  packet.writeUInt32BE(u32(), 24)
  packet.writeUInt32BE(u32() || 1, 28)
  packet.set([((20 + options) / 4) << 4, syn ? 0x02 : 0x18, 0xff, 0xff], 32)
  const tsecr = ((u32() & ~1023) | OPTIONS | (u32() & 15)) >>> 0
  if (syn) packet.set([2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 10], 40)
  else packet.set([1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0], 40)
  packet.writeUInt32BE(tsecr, syn ? 52 : 48)
  const tcp = packet.subarray(20)
  const pseudo = Buffer.from([...packet.subarray(12, 20), 0, 6, tcp.length >> 8, tcp.length & 255])
  packet.writeUInt16BE(checksum(pseudo, tcp), 36)
  return packet
}

let made = 0
let sent = 0
let refused = 0

/** raw-socket queues what it is given; the next is made when one has left. */
function next() {
  if (made === count) return
  const packet = forge(made++ % 2 === 0)
  socket.send(packet, 0, packet.length, target, (error) => {
    if (error) refused++
    else sent++
    if (sent + refused < count) return next()
    console.log(`sent ${sent}${refused > 0 ? `, refused ${refused}` : ''}`)
    socket.close()
  })
}

for (let i = 0; i < 64; i++) next()
