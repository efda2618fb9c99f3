import type {Socket} from 'node:net'

import {PcapStream, type CapturedFrame} from '../kernel/pcap-stream.js'
import {EchoDirection, EchoType} from '../wire/echo-frame.js'
import {addressBytes} from '../wire/endpoint.js'
import type {HmacSha256} from '../wire/hmac-sha256.js'
import {decodeIpPacket} from '../wire/ip-packet.js'
import {ipOfFrame} from '../wire/link-layer.js'
import {decodeTcp} from '../wire/tcp-segment.js'
import {PacketAllowance} from './packet-allowance.js'

/** Packets that are told in a second, of one session. */
export const ECHO_PACKETS_PER_SECOND = 1000

const POLL_MS = 2
/** Bytes of a packet that are told: its headers, never its data. */
const MOST_HEADER_BYTES = 160
const SNAP_LENGTH = 256

/** Where a session's packets come from. */
export type EchoCapture = Pick<PcapStream, 'close' | 'linkType'> & {next(): CapturedFrame | null}

/** What one session tells of. */
export interface Watched {
  /** The probe's, as its connection shows it. */
  address: string
  /** Of the gateway. */
  ports: readonly number[]
  capture: EchoCapture
}

/**
 * Captures what passes between an address and the gateway's ports.
 *
 * @throws OverlayError PRIVILEGE_MISSING, PROGRAM_MISSING
 */
export function captureForEcho(address: string, ports: readonly number[]): EchoCapture {
  const at = ports.map((port) => `port ${port}`).join(' or ')
  return new PcapStream('any', {filter: `tcp and host ${address} and (${at})`, snapLength: SNAP_LENGTH})
}

/**
 * Serves a session of the packet echo until its socket closes, which closes the capture too.
 *
 * @param session the key, and challenge and random bytes
 * @param rest what came after the request
 */
export function serveEcho(
  socket: Socket,
  {address, ports, capture}: Watched,
  session: {hmac: HmacSha256; random: Buffer},
  rest: Buffer,
): void {
  const outgoing = new EchoDirection('gateway', session.hmac, session.random)
  const incoming = new EchoDirection('probe', session.hmac, session.random)
  const allowance = new PacketAllowance(ECHO_PACKETS_PER_SECOND, performance.now())
  let withheld = 0
  const say = (type: number, body: Buffer): void => {
    socket.write(outgoing.write(type, body))
  }

  const drain = (): void => {
    allowance.refill(performance.now())
    for (let frame = capture.next(); frame; frame = capture.next()) {
      const bytes = ipOfFrame(capture.linkType, frame.data)
      const packet = bytes && describe(bytes, frame.timeNs, frame.originalLength - (frame.data.length - bytes.length))
      if (!packet) continue
      if (allowance.take()) {
        const arrived = ports.includes(packet.destinationPort) && packet.source === address
        say(arrived ? EchoType.Arrived : EchoType.Left, packet.body)
      } else withheld++
    }

    if (withheld > 0 && allowance.left >= 1) {
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
  socket.on('close', () => {
    clearInterval(timer)
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
