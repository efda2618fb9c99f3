// A member of a pair as far as the beginning of connections goes, run as a whole process inside a host of a lab.
//   setup-server.ts INTERFACE PINS PORT (VIRTUAL-ADDRESS PEER)...
// It listens on PORT, where it echoes, and on PORT + 1, where it greets first. Commands, a line each, answered in JSON:
//   role owner|via|backup [solo]   as PairDatapath.setRole(); with its lease
//   address on|off                 takes the virtual addresses, or gives them up without a word
//   resend                         says the SYN/ACKs of the last 3 s again
//   admit                          opens every connection, as a relay does whose backup knows it
//   status                         what each connection has received
//   keys current previous|-        other keys, by the byte that fills them
//   counters
import {createServer, type Server, type Socket} from 'node:net'
import {createInterface} from 'node:readline'

import {AckGate} from '../../../src/lib/gate/ack-gate.js'
import type {GatedKey} from '../../../src/lib/gate/gate-maps.js'
import {KickPacket} from '../../../src/lib/gate/kick-packet.js'
import {Kicker} from '../../../src/lib/gate/kicker.js'
import {PairDatapath} from '../../../src/lib/gate/pair-datapath.js'
import {SetupPlane} from '../../../src/lib/gate/setup-plane.js'
import {findDevice} from '../../../src/lib/handshake/network-device.js'
import {bootTimeMs} from '../../../src/lib/kernel/boot-time.js'
import {readLeg, type LegState} from '../../../src/lib/kernel/leg-state.js'
import {Key} from '../../../src/lib/keys/key-file.js'
import {VirtualAddresses} from '../../../src/lib/pair/virtual-addresses.js'

const [device, pins, port, ...words] = process.argv.slice(2)
const virtualAddresses: {address: string; peer: string}[] = []
for (let at = 0; at < words.length; at += 2) virtualAddresses.push({address: words[at], peer: words[at + 1]})
const key = (fill: string) => new Key(1, Buffer.alloc(32, Number(fill)))
const settings = {mssIPv4: 1460, mssIPv6: 1440, rttGuessMs: 20, clockOffsetSeconds: 0}
const devices = [findDevice(device)]
const gate = AckGate.attach({devices, pins, virtualAddresses: virtualAddresses.map(({address}) => address)})
gate.setLease(1n)
gate.enable()
const ports = [Number(port), Number(port) + 1]
const plane = SetupPlane.attach({
  devices,
  pins,
  virtualAddresses,
  listeners: virtualAddresses.flatMap(({address}) => ports.map((each) => ({address, port: each}))),
  settings: {...settings, keys: {current: key('1'), previous: null}},
})
const datapath = PairDatapath.open(pins)
const addresses = new VirtualAddresses(
  virtualAddresses.map((each) => ({...each, device, prefix: each.address.includes(':') ? 64 : 24})),
)
const kicker = new Kicker()
const connections: {key: GatedKey; state: LegState; received: number}[] = []

const plain = (address: string) => address.replace('::ffff:', '')

/** Node has no public name for it. */
const descriptorOf = (socket: Socket) => (socket as unknown as {_handle: {fd: number}})._handle.fd

function serve(greeting: string): Server {
  return createServer((socket) => {
    const own: GatedKey = {
      local: {address: plain(socket.localAddress!), port: socket.localPort!},
      remote: {address: plain(socket.remoteAddress!), port: socket.remotePort!},
    }
    const connection = {key: own, state: readLeg(descriptorOf(socket)), received: 0}
    connections.push(connection)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      connection.received += chunk.length
      socket.write(chunk)
    })
    if (greeting) socket.write(greeting)
  })
}

function handle(line: string): object {
  const [command, first, second] = line.split(' ')
  switch (command) {
    case 'role': {
      const owner = first !== 'backup'
      datapath.setRole({owner, via: first === 'via', solo: second === 'solo'})
      datapath.setLease(owner ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY, 1)
      return {}
    }

    case 'address': {
      addresses.remove()
      if (first === 'on') {
        addresses.add()
        addresses.announce()
      }

      return {}
    }

    case 'resend': {
      return {sent: datapath.resendSynAcks(bootTimeMs())}
    }

    case 'admit': {
      for (const {key: own, state, received} of connections) {
        datapath.openFlow(own, state)
        const kick = new KickPacket(own)
        kick.aim(state.record.irs + 1 + received)
        kicker.send(kick)
      }

      return {}
    }

    case 'status': {
      return connections.map(({received}) => received)
    }

    case 'keys': {
      plane.setSettings({...settings, keys: {current: key(first), previous: second === '-' ? null : key(second)}})
      return {}
    }

    default: {
      return {...gate.counters(), ...plane.counters()}
    }
  }
}

createInterface({input: process.stdin})
  .on('line', (line) => console.log(JSON.stringify(handle(line))))
  .on('close', () => {
    plane.detach()
    gate.detach()
    process.exit()
  })
serve('').listen({port: ports[0], host: '::'}, () => {
  serve('HELLO').listen({port: ports[1], host: '::'}, () => console.log('ready'))
})
