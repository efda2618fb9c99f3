// A server behind the ACK gate, run as a whole process inside a host of a lab: it plays the part of a relay with a backup.
//   gate-server.ts INTERFACE PINS PORT ADDRESS...
// Reads commands from standard input, a line each, and answers each with one line of JSON:
//   raise N     what the backup holds of each connection: N bytes, and with them the gate
//   status      what each connection has received, and its entry in the gate
//   close       ends each connection by consent
//   drop        ends each connection without consent, as a kernel does for a process that died
//   lease MS    a lease of so many milliseconds from now
//   counters
import {createServer, type Socket} from 'node:net'
import {createInterface} from 'node:readline'

import {AckGate} from '../../../src/lib/gate/ack-gate.js'
import {type GatedKey, Permit} from '../../../src/lib/gate/gate-maps.js'
import {KickPacket} from '../../../src/lib/gate/kick-packet.js'
import {Kicker} from '../../../src/lib/gate/kicker.js'
import {findDevice} from '../../../src/lib/handshake/network-device.js'
import {bootTimeMs} from '../../../src/lib/kernel/boot-time.js'

const [device, pins, port, ...addresses] = process.argv.slice(2)
const gate = AckGate.attach({devices: [findDevice(device)], pins, virtualAddresses: addresses})
gate.enable()
const kicker = new Kicker()

interface Connection {
  socket: Socket
  key: GatedKey
  kick: KickPacket
  received: number
}

const connections: Connection[] = []

function plain(address: string): string {
  return address.replace('::ffff:', '')
}

const server = createServer({allowHalfOpen: true}, (socket) => {
  const key = {
    local: {address: plain(socket.localAddress!), port: socket.localPort!},
    remote: {address: plain(socket.remoteAddress!), port: socket.remotePort!},
  }
  const connection = {socket, key, kick: new KickPacket(key), received: 0}
  connections.push(connection)
  socket.on('data', (chunk) => {
    connection.received += chunk.length
  })
  socket.on('error', () => {})
})

function handle(line: string): object {
  const [command, value] = line.split(' ')
  switch (command) {
    case 'raise': {
      for (const {key, kick} of connections) {
        kick.aim(gate.flow(key)!.irs + Number(value))
        kicker.send(kick)
      }

      return {}
    }

    case 'status': {
      return connections.map(({key, received}) => ({received, fenced: gate.fenced, flow: gate.flow(key)}))
    }

    case 'close': {
      for (const {key, socket} of connections) {
        gate.permit(key, Permit.Fin, gate.flow(key)!.maxSent)
        socket.end()
      }

      return {}
    }

    case 'drop': {
      for (const {socket} of connections) socket.destroy()
      return {}
    }

    case 'lease': {
      gate.setLease(BigInt(Math.floor((bootTimeMs() + Number(value)) * 1e6)))
      return {}
    }

    default: {
      return gate.counters()
    }
  }
}

createInterface({input: process.stdin})
  .on('line', (line) => console.log(JSON.stringify(handle(line))))
  .on('close', () => {
    gate.detach()
    process.exit()
  })
server.listen({port: Number(port), host: '::'}, () => console.log('ready'))
