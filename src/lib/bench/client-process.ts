/**
 * Entry of a process: the measuring client. Reads one JSON {@link ExchangeOrder} a line from standard input, carries each
 * out over a connection of its own, and writes one JSON {@link ExchangeOutcome} a line. One process for all exchanges:
 * starting Node takes longer than what is measured. Its sockets block: Node's event loop would add some tenths of a
 * millisecond to each time.
 */
import {constants, setPriority} from 'node:os'
import {hrtime} from 'node:process'
import {createInterface} from 'node:readline'

import {blockingSocket, sendAll} from '../kernel/blocking-tcp.js'
import {EAGAIN, EINPROGRESS, errnoName} from '../kernel/errno.js'
import {allocate, errno, sys, type Memory} from '../kernel/libc.js'
import {socketAddress, type SocketAddress} from '../kernel/sockaddr.js'
import {formatEndpoint} from '../wire/endpoint.js'
import {decodeResponse, encodeRequest} from './exchange.js'

export interface ExchangeOrder {
  address: string
  port: number
  requestBytes: number
  responseBytes: number
  timeoutMs: number
}

/** Milliseconds since the client called connect(), or why there are none. */
export type ExchangeOutcome = {connectMs: number; requestAtOriginMs: number; firstByteMs: number} | {error: string}

let exchanges = 0
let outgoing = allocate(64 * 1024)
let incoming = allocate(64 * 1024)
/** The few addresses that are measured, kept in the form that connect() takes. */
const addresses = new Map<string, SocketAddress>()

function addressOf({address, port}: ExchangeOrder): SocketAddress {
  const text = formatEndpoint({address, port})
  const known = addresses.get(text) ?? socketAddress({address, port})
  addresses.set(text, known)
  return known
}

function atLeast(memory: Memory, length: number): Memory {
  return memory.bytes.length >= length ? memory : allocate(length)
}

function exchange(order: ExchangeOrder): ExchangeOutcome {
  const request = encodeRequest(order.requestBytes, order.responseBytes, ++exchanges)
  outgoing = atLeast(outgoing, request.length)
  incoming = atLeast(incoming, order.responseBytes + 1)
  request.copy(outgoing.bytes)
  const target = addressOf(order)
  const fd = blockingSocket(target.family, order.timeoutMs)
  try {
    return timed(fd, target, request, order)
  } finally {
    sys.close(fd)
  }
}

function timed(fd: number, target: SocketAddress, request: Buffer, order: ExchangeOrder): ExchangeOutcome {
  const {responseBytes, timeoutMs} = order
  const start = hrtime.bigint()
  const since = (at: bigint): number => Number(at - start) / 1e6
  if (sys.connect(fd, target.at, target.length) < 0) return failure('connect', errno(), timeoutMs)
  const connected = hrtime.bigint()
  const sendError = sendAll(fd, outgoing.address, request.length)
  if (sendError !== 0) return failure('send', sendError, timeoutMs)
  let received = 0
  let firstByte = 0n
  // Until the origin closes, so that the path is quiet again when the next exchange starts.
  for (;;) {
    const count = sys.recv(fd, incoming.address + received, responseBytes + 1 - received, 0)
    if (received === 0) firstByte = hrtime.bigint()
    if (count < 0) return failure('recv', errno(), timeoutMs)
    if (count === 0) break
    received += count
    if (received > responseBytes) break
    if (since(hrtime.bigint()) > timeoutMs) return failure('recv', EAGAIN, timeoutMs)
  }

  if (received !== responseBytes) return {error: `${received} of ${responseBytes} bytes came back`}
  const readAt = decodeResponse(incoming.bytes.subarray(0, received), request)
  if (readAt === null) return {error: 'the origin read other bytes than were sent'}
  return {connectMs: since(connected), requestAtOriginMs: since(readAt), firstByteMs: since(firstByte)}
}

/** A blocking call that ran into its timeout says EINPROGRESS (connect) or EAGAIN. */
function failure(step: string, error: number, timeoutMs: number): ExchangeOutcome {
  const late = error === EAGAIN || error === EINPROGRESS
  return {error: late ? `${step}: no answer in ${timeoutMs} ms` : `${step}: ${errnoName(error)}`}
}

setPriority(constants.priority.PRIORITY_HIGHEST) // what measures must not wait for what is measured
for await (const line of createInterface({input: process.stdin})) {
  process.stdout.write(JSON.stringify(exchange(JSON.parse(line) as ExchangeOrder)) + '\n')
}
