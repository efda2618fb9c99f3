/**
 * Entry of a process: the measuring origin. `origin-process ADDRESS PORT` answers exchanges (exchange.ts), one connection
 * after the other, until it or its parent ends. Its sockets block, as the client's do and for the same reason.
 */
import {constants, setPriority} from 'node:os'
import {hrtime} from 'node:process'

import {acceptBlocking, blockingListener, sendAll} from '../kernel/blocking-tcp.js'
import {allocate, sys, type Memory} from '../kernel/libc.js'
import {socketAddress} from '../kernel/sockaddr.js'
import {REQUEST_HEADER, decodeRequestHeader, encodeResponse} from './exchange.js'

/** How long it waits for a connection before it looks whether its parent still lives. */
const ACCEPT_MS = 500
/** How long a connection may keep silent before the next one gets its turn. */
const SILENCE_MS = 1000
/**
 * From the response to the FIN. Together, HAProxy passes them on as data with MSG_MORE and a shutdown, and in a socket of
 * TCP Fast Open whose handshake is not over shutdown() pushes nothing out: the response would wait a round trip.
 */
const LINGER_MS = 10

const [address, port] = process.argv.slice(2)
const clock = new Int32Array(new SharedArrayBuffer(4))
let incoming = allocate(64 * 1024)
let outgoing = allocate(64 * 1024)

function atLeast(memory: Memory, length: number, kept: number): Memory {
  if (memory.bytes.length >= length) return memory
  const larger = allocate(length)
  memory.bytes.copy(larger.bytes, 0, 0, kept)
  return larger
}

function answer(fd: number): void {
  let received = 0
  let wanted = REQUEST_HEADER
  let header: ReturnType<typeof decodeRequestHeader> = null
  while (received < wanted) {
    const count = sys.recv(fd, incoming.address + received, incoming.bytes.length - received, 0)
    if (count <= 0) return
    received += count
    if (header !== null || received < REQUEST_HEADER) continue
    header = decodeRequestHeader(incoming.bytes.subarray(0, REQUEST_HEADER))
    if (header === null) return
    wanted = header.length
    incoming = atLeast(incoming, wanted, received)
  }

  const readAt = hrtime.bigint()
  const {length, responseLength} = header!
  const response = encodeResponse(incoming.bytes.subarray(0, length), responseLength, readAt)
  outgoing = atLeast(outgoing, responseLength, 0)
  response.copy(outgoing.bytes)
  sendAll(fd, outgoing.address, responseLength)
  Atomics.wait(clock, 0, 0, LINGER_MS)
}

setPriority(constants.priority.PRIORITY_HIGHEST) // what measures must not wait for what is measured
const parent = process.ppid
const listener = blockingListener(socketAddress({address, port: Number(port)}), ACCEPT_MS)
while (process.ppid === parent) {
  const fd = acceptBlocking(listener, SILENCE_MS)
  if (fd < 0) continue
  answer(fd)
  sys.close(fd)
}
