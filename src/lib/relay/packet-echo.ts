import {randomBytes} from 'node:crypto'
import {createServer, type AddressInfo, type Server, type Socket} from 'node:net'

import {OverlayError} from '../errors/index.js'
import type {KeyRing} from '../keys/key-file.js'
import {addressBytes, formatAddress, formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import {ECHO_PURPOSE, REQUEST_LENGTH, requestKeyId, verifyRequest, writeGreeting} from '../wire/echo-frame.js'
import {HmacSha256} from '../wire/hmac-sha256.js'
import {captureForEcho, serveEcho, type EchoCapture} from './packet-echo-session.js'

/** Bounds of the echo: what a holder of the key may ask for, and what a stranger may. */
export const ECHO_LIMITS = {
  /** Connections at once, with or without a request. */
  connections: 8,
  /** A connection must show its request within, ms. */
  requestMs: 2000,
  /** And ends after, ms. */
  sessionMs: 600_000,
} as const

/**
 * Tells probes that hold the key which of their packets arrived, and what the gateway sent them: headers of TCP between
 * the gateway's ports and the very address that the probe's own connection comes from.
 */
export class PacketEcho {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(
    private readonly ports: readonly number[],
    private keys: KeyRing,
    private readonly capture: (address: string, ports: readonly number[]) => EchoCapture,
  ) {
    this.#server = createServer((socket) => this.#accept(socket))
  }

  /**
   * Listens.
   *
   * @param ports of the gateway
   * @param capture opens what the packets of one session are read from
   * @throws OverlayError ADDRESS_IN_USE
   */
  static async listen(
    at: Endpoint,
    ports: readonly number[],
    keys: KeyRing,
    capture: (address: string, ports: readonly number[]) => EchoCapture = captureForEcho,
  ): Promise<PacketEcho> {
    const echo = new PacketEcho(ports, keys, capture)
    await new Promise<void>((resolve, reject) => {
      echo.#server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new OverlayError('ADDRESS_IN_USE', `the packet echo cannot listen on ${formatEndpoint(at)}`, {
            cause: error.code,
            suggestions: ['choose another address or port with --echo'],
          }),
        ),
      )
      echo.#server.listen(at.port, at.address, () => resolve())
    })
    return echo
  }

  /** Where it listens, also when the port was left to the kernel. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  setKeys(keys: KeyRing): void {
    this.keys = keys
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(socket: Socket): void {
    if (this.#sockets.size >= ECHO_LIMITS.connections) {
      socket.destroy()
      return
    }

    this.#sockets.add(socket)
    const challenge = randomBytes(16)
    const late = setTimeout(() => socket.destroy(), ECHO_LIMITS.requestMs)
    let request = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      request = Buffer.concat([request, chunk])
      if (request.length < REQUEST_LENGTH) return
      socket.off('data', onData)
      clearTimeout(late)
      this.#begin(socket, challenge, request)
    }

    socket.on('data', onData)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      clearTimeout(late)
      this.#sockets.delete(socket)
    })
    socket.write(writeGreeting(challenge))
  }

  /** A stranger is dropped without a word. */
  #begin(socket: Socket, challenge: Buffer, bytes: Buffer): void {
    const request = bytes.subarray(0, REQUEST_LENGTH)
    const id = requestKeyId(request)
    const key = [this.keys.current, this.keys.previous].find((candidate) => candidate?.id === id)
    const hmac = key && new HmacSha256(key.derive(ECHO_PURPOSE, 32))
    const random = hmac && verifyRequest(request, hmac, challenge)
    const {remoteAddress} = socket
    if (!hmac || !random || !remoteAddress) {
      socket.destroy()
      return
    }

    const address = formatAddress(addressBytes(remoteAddress))
    const session = {hmac, random: Buffer.concat([challenge, random])}
    try {
      const capture = this.capture(address, this.ports)
      const end = setTimeout(() => socket.destroy(), ECHO_LIMITS.sessionMs)
      socket.on('close', () => clearTimeout(end))
      serveEcho(socket, {address, ports: this.ports, capture}, session, bytes.subarray(REQUEST_LENGTH))
    } catch {
      // No capture (a privilege was dropped, libpcap is gone): the probe sees that the echo ends, and says so.
      socket.destroy()
    }
  }
}
