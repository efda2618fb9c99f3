import {randomBytes} from 'node:crypto'
import {createServer, type Server, type Socket} from 'node:net'

import {OverlayError} from '../errors/index.js'
import {PcapStream} from '../kernel/pcap-stream.js'
import type {KeyRing} from '../keys/key-file.js'
import {addressBytes, formatAddress, formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import {
  ECHO_PURPOSE,
  EchoDirection,
  EchoType,
  REQUEST_LENGTH,
  requestKeyId,
  verifyRequest,
  writeGreeting,
} from '../wire/echo-frame.js'
import {HmacSha256} from '../wire/hmac-sha256.js'
import {decodeIpPacket} from '../wire/ip-packet.js'
import {ipOfFrame} from '../wire/link-layer.js'
import {decodeTcp} from '../wire/tcp-segment.js'

/** Bounds of the echo: what a holder of the key may ask for, and what a stranger may. */
export const ECHO_LIMITS = {
  /** Connections at once, with or without a request. */
  connections: 8,
  /** A connection must show its request within, ms. */
  requestMs: 2000,
  /** And ends after, ms. */
  sessionMs: 600_000,
  /** Packets that are told in a second, of one session. */
  packetsPerSecond: 1000,
} as const

const POLL_MS = 2
/** Bytes of a packet that are told: its headers, never its data. */
const MOST_HEADER_BYTES = 160
const SNAP_LENGTH = 256

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
  ) {
    this.#server = createServer((socket) => this.#accept(socket))
  }

  /**
   * Listens.
   *
   * @param ports of the gateway
   * @throws OverlayError ADDRESS_IN_USE
   */
  static async listen(at: Endpoint, ports: readonly number[], keys: KeyRing): Promise<PacketEcho> {
    const echo = new PacketEcho(ports, keys)
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
    const address = socket.remoteAddress
    if (!hmac || !random || !address) {
      socket.destroy()
      return
    }

    const session = Buffer.concat([challenge, random])
    try {
      watch(socket, formatAddress(addressBytes(address)), this.ports, hmac, session, bytes.subarray(REQUEST_LENGTH))
    } catch {
      // No capture (a privilege was dropped, libpcap is gone): the probe sees that the echo ends, and says so.
      socket.destroy()
    }
  }
}

function watch(
  socket: Socket,
  address: string,
  ports: readonly number[],
  hmac: HmacSha256,
  session: Buffer,
  rest: Buffer,
): void {
  const at = ports.map((port) => `port ${port}`).join(' or ')
  const capture = new PcapStream('any', {filter: `tcp and host ${address} and (${at})`, snapLength: SNAP_LENGTH})
  const outgoing = new EchoDirection('gateway', hmac, session)
  const incoming = new EchoDirection('probe', hmac, session)
  let allowance: number = ECHO_LIMITS.packetsPerSecond
  let withheld = 0
  let refilled = performance.now()
  const say = (type: number, body: Buffer): void => {
    socket.write(outgoing.write(type, body))
  }

  const drain = (): void => {
    const now = performance.now()
    allowance = Math.min(
      ECHO_LIMITS.packetsPerSecond,
      allowance + ((now - refilled) * ECHO_LIMITS.packetsPerSecond) / 1000,
    )
    refilled = now
    for (let frame = capture.next(); frame; frame = capture.next()) {
      const bytes = ipOfFrame(capture.linkType, frame.data)
      const packet = bytes && describe(bytes, frame.timeNs, frame.originalLength - (frame.data.length - bytes.length))
      if (!packet) continue
      if (allowance < 1) withheld++
      else {
        allowance--
        say(
          ports.includes(packet.destinationPort) && packet.source === address ? EchoType.Arrived : EchoType.Left,
          packet.body,
        )
      }
    }

    if (withheld > 0 && allowance >= 1) {
      const body = Buffer.alloc(4)
      body.writeUInt32BE(withheld)
      withheld = 0
      say(EchoType.Withheld, body)
    }
  }

  const guarded = (work: () => void): void => {
    try {
      work()
    } catch {
      socket.destroy() // the capture failed: there is nothing more to tell
    }
  }

  const onData = (chunk: Buffer): void =>
    guarded(() => {
      const frames = incoming.read(chunk)
      if (!frames) {
        socket.destroy()
        return
      }

      drain()
      for (const {type, body} of frames) if (type === EchoType.Ping && body.length === 4) say(EchoType.Pong, body)
    })
  const timer = setInterval(() => guarded(drain), POLL_MS)
  const end = setTimeout(() => socket.destroy(), ECHO_LIMITS.sessionMs)
  socket.on('close', () => {
    clearInterval(timer)
    clearTimeout(end)
    capture.close()
  })
  socket.on('data', onData)
  say(EchoType.Ready, addressBytes(address))
  if (rest.length > 0) onData(rest)
}

/** Time, length and headers of a TCP packet. */
function describe(bytes: Uint8Array, timeNs: bigint, length: number) {
  const ip = decodeIpPacket(bytes)
  const tcp = ip && decodeTcp(ip)
  if (!tcp) return null
  const headers = ip.headerLength + (ip.payloadLength - tcp.payloadLength)
  if (headers > MOST_HEADER_BYTES) return null
  const body = Buffer.alloc(10 + headers)
  body.writeBigUInt64BE(timeNs, 0)
  body.writeUInt16BE(Math.min(65_535, length), 8)
  body.set(bytes.subarray(0, headers), 10)
  return {body, source: tcp.source, destinationPort: tcp.destinationPort}
}
