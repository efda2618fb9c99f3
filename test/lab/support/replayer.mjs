// Sends recorded IPv4 packets again, through a raw socket from inside a host.
//   replayer.mjs TARGET HEX...      each HEX a whole IPv4 packet
import raw from 'raw-socket'

const [target, ...packets] = process.argv.slice(2)
const socket = raw.createSocket({protocol: raw.Protocol.TCP, addressFamily: raw.AddressFamily.IPv4})
socket.setOption(raw.SocketLevel.IPPROTO_IP, raw.SocketOption.IP_HDRINCL, Buffer.from([1, 0, 0, 0]), 4)
let left = packets.length
for (const hex of packets) {
  const packet = Buffer.from(hex, 'hex')
  socket.send(packet, 0, packet.length, target, (error) => {
    if (error) throw error
    if (--left === 0) socket.close()
  })
}
