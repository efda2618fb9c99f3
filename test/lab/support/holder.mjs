// Connections that stay open, for lab tests; run as a whole process inside a host, until it is killed.
//   holder.mjs JSON   {address, port, bytes: [n, …], tickMs}
// For each number it opens a connection to an echo server, sends so many bytes and waits until they are back. Then it
// prints one JSON object, {local: ["ADDRESS:PORT", …]}, and with `tickMs` goes on to send 100 bytes as often on the first.
import {connect} from 'node:net'

const {address, port, bytes, tickMs} = JSON.parse(process.argv[2])

const open = (count) =>
  new Promise((resolve, reject) => {
    const socket = connect({host: address, port, noDelay: true})
    let back = 0
    socket.once('error', reject)
    socket.once('connect', () => socket.write(Buffer.alloc(count, 'x')))
    socket.on('data', (chunk) => {
      back += chunk.length
      if (back >= count) resolve(socket)
    })
  })

const sockets = await Promise.all(bytes.map((count) => open(count)))
console.log(JSON.stringify({local: sockets.map((socket) => `${socket.localAddress}:${socket.localPort}`)}))
setInterval(() => tickMs && sockets[0].write(Buffer.alloc(100, 'y')), tickMs ?? 60_000)
