// A member of a pair in takeover tests, run as a whole process in its host. One JSON object a line in, one a line out.
import {createServer, Socket} from 'node:net'
import {createInterface} from 'node:readline'

import type {ConnectionRecord} from '../../../src/lib/kernel/connection-record.js'
import {AddressAnnouncer} from '../../../src/lib/kernel/gratuitous-arp.js'
import {InterfaceAddresses} from '../../../src/lib/kernel/interface-address.js'
import {allocate, sys} from '../../../src/lib/kernel/libc.js'
import {loopInFin, RawPacketSender} from '../../../src/lib/kernel/raw-packet.js'
import {closeSilently, leaveRepair, readConnection, restoreConnection} from '../../../src/lib/kernel/tcp-repair.js'
import {sha256, stream} from './takeover-streams.mjs'

export interface Frozen {
  record: ConnectionRecord
  /** All that the client has sent and the kernel has acknowledged, base64. */
  received: string
  /** Offset in the server's stream of the first byte not known to be acknowledged. */
  acknowledged: number
  /** Received bytes by sequence numbers, to be compared with those held. */
  bySequence: number
  written: number
  readUs: number
  /** Payload of a full segment, bytes. */
  segmentBytes: number
}

const SENT = stream('server')
const DONTWAIT = 0x40
const device = process.argv[2]
const addresses = new InterfaceAddresses(device)
const raw = new RawPacketSender()
const drain = allocate(1024 * 1024)
const say = (object: object): void => console.log(JSON.stringify(object))
const micros = (work: () => void): number => {
  const begin = performance.now()
  work()
  return Math.round((performance.now() - begin) * 1000)
}

const option = allocate(8)
/** TCP_MAXSEG outside repair. */
const segmentBytes = (fd: number): number => {
  option.bytes.writeUInt32LE(4, 4)
  sys.getsockopt(fd, 6, 2, option.address, option.address + 4)
  return option.bytes.readUInt32LE(0)
}

const descriptor = (socket: Socket): number => (socket as unknown as {_handle: {fd: number}})._handle.fd

interface Connection {
  socket: Socket
  chunks: Buffer[]
  bytes: number
  ended: boolean
  error: null | string
  written: number
  /** Sequence numbers of byte 0 of both streams. */
  sendStart: number
  receiveStart: number
  wake(): void
}

let held: Connection | null = null

function follow(socket: Socket, start: Partial<Connection>): Connection {
  const connection: Connection = {
    socket,
    chunks: [],
    bytes: 0,
    ended: false,
    error: null,
    written: 0,
    sendStart: 0,
    receiveStart: 0,
    wake() {},
    ...start,
  }
  socket.on('data', (chunk: Buffer) => {
    connection.chunks.push(chunk)
    connection.bytes += chunk.length
    connection.wake()
  })
  socket.on('end', () => {
    connection.ended = true
    connection.wake()
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    connection.error = error.code ?? error.message
    connection.wake()
  })
  return connection
}

interface Command {
  do: string
  address: string
  prefix: number
  port: number
  from: number
  to: number
  end: boolean
  on: boolean
  bytes: number
  frozen: Frozen
}

const commands: Record<string, (command: Command) => void> = {
  address({address, prefix, on}) {
    const us = micros(() => (on ? addresses.add(address, prefix) : addresses.remove(address, prefix)))
    say({done: 'address', us})
  },
  announce({address}) {
    const announcer = new AddressAnnouncer(device, [address])
    announcer.announce()
    announcer.close()
    say({done: 'announce'})
  },
  listen({address, port}) {
    const server = createServer({allowHalfOpen: true, noDelay: true}, (socket) => {
      server.close()
      // Nothing has been sent on either side yet: the sequence numbers are those of byte 0.
      const {sendNext, receiveNext} = readConnection(descriptor(socket))
      held = follow(socket, {sendStart: sendNext, receiveStart: receiveNext})
      say({done: 'accepted'})
    })
    server.listen({port, host: address}, () => say({done: 'listen'}))
  },
  send({from, to, end}) {
    held!.socket.write(SENT.subarray(from, to))
    held!.written = to
    if (end) held!.socket.end()
    say({done: 'send'})
  },
  read({on}) {
    if (on) held!.socket.resume()
    else held!.socket.pause()
    say({done: 'read'})
  },
  /** Its packets have stopped. Reads the connection, takes what the kernel holds of it, and closes it silently. */
  freeze() {
    const {socket, chunks, sendStart, receiveStart, written} = held!
    const fd = descriptor(socket)
    const size = segmentBytes(fd)
    const begin = performance.now()
    const record = readConnection(fd)
    const readUs = Math.round((performance.now() - begin) * 1000)
    // What a paused Node has read already, then what the kernel holds.
    if (socket.readableLength > 0) socket.read() // emits it as data
    for (;;) {
      const count = sys.recv(fd, drain.address, drain.bytes.length, DONTWAIT)
      if (count <= 0) break
      chunks.push(Buffer.from(drain.bytes.subarray(0, count)))
    }

    // Node holds the descriptor: emptied of its connection here, closed by Node below. disconnect() in repair is silent.
    const quiet = sys.fcntl(fd, 1030, 0) // F_DUPFD_CLOEXEC
    held!.wake = () => {}
    closeSilently(quiet)
    socket.destroy()
    const received = Buffer.concat(chunks)
    const frozen: Frozen = {
      record,
      received: received.toString('base64'),
      acknowledged: (record.sendUnacknowledged - sendStart) >>> 0,
      bySequence: (record.receiveNext - receiveStart) >>> 0,
      written,
      readUs,
      segmentBytes: size,
    }
    say({done: 'freeze', ...frozen})
  },
  takeover({frozen, address, prefix}) {
    const {record} = frozen
    const announcer = new AddressAnnouncer(device, [address])
    const received = Buffer.from(frozen.received, 'base64')
    const us: Record<string, number> = {}
    let fd = -1
    us.address = micros(() => addresses.add(address, prefix))
    us.restore = micros(() => {
      fd = restoreConnection({...record, sendNext: record.sendUnacknowledged})
    })
    us.announce = micros(() => announcer.announce())
    us.leave = micros(() => leaveRepair(fd))
    const socket = new Socket({fd, allowHalfOpen: true, readable: true, writable: true})
    held = follow(socket, {
      chunks: [received],
      bytes: received.length,
      written: frozen.written,
      sendStart: record.sendUnacknowledged - frozen.acknowledged,
      receiveStart: record.receiveNext - frozen.bySequence,
    })
    if (frozen.acknowledged < frozen.written) socket.write(SENT.subarray(frozen.acknowledged, frozen.written))
    if (record.finSent) socket.end()
    const giveFin = (attempts: number): void => {
      if (loopInFin(raw, fd, {...record, sendNext: record.sendUnacknowledged})) return
      if (attempts === 0) throw new Error('the FIN did not come in')
      console.error(`        FIN not taken, ${attempts} attempts left`)
      setTimeout(() => giveFin(attempts - 1), 5)
    }

    if (record.finReceived) us.loopInFin = micros(() => giveFin(20))
    announcer.close()
    say({done: 'takeover', us, segmentBytes: segmentBytes(fd)})
  },
  result({bytes, end}) {
    const connection = held!
    const finish = (): void => {
      if (connection.error === null && (connection.bytes < bytes || (end && !connection.ended))) return
      connection.wake = () => {}
      const all = Buffer.concat(connection.chunks)
      const {ended, error} = connection
      say({done: 'result', bytes: all.length, sha256: sha256(all), ended, error})
    }

    connection.wake = finish
    finish()
  },
}

createInterface({input: process.stdin}).on('line', (line) => {
  const command = JSON.parse(line) as Command
  try {
    commands[command.do](command)
  } catch (error) {
    say({done: 'error', message: `${command.do}: ${(error as Error).message} (${(error as Error).cause})`})
  }
})
say({done: 'start'})
