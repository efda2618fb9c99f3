import {addressBytes, type Endpoint} from '../wire/endpoint.js'
import {allocate} from './libc.js'
import {AF_INET, AF_INET6} from './socket-constants.js'

/** Bytes of the larger of the two, struct sockaddr_in6. */
export const SOCKADDR_LENGTH = 28

/** True for an address that is IPv4-mapped in its 16 bytes (::ffff:a.b.c.d). */
export function isMapped(bytes: Uint8Array, offset = 0): boolean {
  for (let i = 0; i < 10; i++) if (bytes[offset + i] !== 0) return false
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff
}

/**
 * Writes a struct sockaddr_in or sockaddr_in6 (family in host order, which is little-endian here; port and address in
 * network order).
 *
 * @param into at least {@link SOCKADDR_LENGTH} bytes
 * @param address 16 bytes from `offset`, IPv4 as IPv4-mapped
 * @returns its length in bytes, for bind and connect
 */
export function writeSockaddr(into: Buffer, address: Uint8Array, offset: number, port: number): number {
  if (isMapped(address, offset)) {
    into.writeUInt16LE(AF_INET, 0)
    into.writeUInt16BE(port, 2)
    for (let i = 0; i < 4; i++) into[4 + i] = address[offset + 12 + i]
    into.fill(0, 8, 16)
    return 16
  }

  into.fill(0, 0, SOCKADDR_LENGTH)
  into.writeUInt16LE(AF_INET6, 0)
  into.writeUInt16BE(port, 2)
  for (let i = 0; i < 16; i++) into[8 + i] = address[offset + i]
  return SOCKADDR_LENGTH
}

/**
 * Reads what accept4, getsockname or getpeername wrote.
 *
 * @param into receives 16 bytes at `offset`, IPv4 as IPv4-mapped
 * @returns the port
 */
export function readSockaddr(from: Buffer, into: Uint8Array, offset: number): number {
  if (from.readUInt16LE(0) === AF_INET) {
    into.fill(0, offset, offset + 10)
    into[offset + 10] = 0xff
    into[offset + 11] = 0xff
    for (let i = 0; i < 4; i++) into[offset + 12 + i] = from[4 + i]
  } else {
    for (let i = 0; i < 16; i++) into[offset + i] = from[8 + i]
  }

  return from.readUInt16BE(2)
}

/** AF_INET or AF_INET6 for 16 address bytes. */
export function familyOf(address: Uint8Array, offset = 0): number {
  return isMapped(address, offset) ? AF_INET : AF_INET6
}

/** An endpoint in the forms that sockets need, made once and kept. */
export interface SocketAddress {
  readonly endpoint: Endpoint
  readonly family: number
  /** 16 bytes, IPv4 as IPv4-mapped. */
  readonly address: Buffer
  /** Where its struct sockaddr lies in memory, and how long that is. */
  readonly at: number
  readonly length: number
}

/** Kept for as long as the process lives: for endpoints of the configuration, not of single connections. */
export function socketAddress(endpoint: Endpoint): SocketAddress {
  const address = addressBytes(endpoint.address)
  const memory = allocate(SOCKADDR_LENGTH)
  const length = writeSockaddr(memory.bytes, address, 0, endpoint.port)
  return {endpoint, family: familyOf(address), address, at: memory.address, length}
}
