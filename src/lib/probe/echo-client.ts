import {randomBytes} from 'node:crypto'
import {connect, type Socket} from 'node:net'

import {OverlayError} from '../errors/index.js'
import type {KeyRing} from '../keys/key-file.js'
import {
  ECHO_PURPOSE,
  EchoDirection,
  EchoType,
  GREETING_LENGTH,
  readGreeting,
  writeRequest,
  type EchoFrame,
} from '../wire/echo-frame.js'
import {formatAddress, formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import {HmacSha256} from '../wire/hmac-sha256.js'
import {decodeIpPacket} from '../wire/ip-packet.js'
import {decodeTcp} from '../wire/tcp-segment.js'
import type {SeenPacket} from './flow.js'

const CONNECT_DEADLINE_MS = 10_000

/** What the gateway saw. */
export interface EchoedPacket extends SeenPacket {
  direction: 'arrived' | 'left'
}

/** A session with a gateway's packet echo. */
export class EchoClient {
  readonly packets: EchoedPacket[] = []
  /** This host's address as the gateway sees it. */
  seenAs = ''
  /** Packets that the gateway did not tell, because there were too many. */
  withheld = 0
  /** Why it ended. */
  ended: string | null = null
  #outgoing!: EchoDirection
  #incoming!: EchoDirection
  #next = 0
  #wake: () => void = () => {}
  #ready = false
  #lastPong = 0

  private constructor(private readonly socket: Socket) {}

  /**
   * Connects, shows the key, and returns when the gateway captures.
   *
   * @throws OverlayError UNREACHABLE when it does not answer or does not take the key
   */
  static async open(at: Endpoint, source: string, keys: KeyRing): Promise<EchoClient> {
    const socket = connect({host: at.address, port: at.port, localAddress: source})
    const client = new EchoClient(socket)
    const hmac = new HmacSha256(keys.current.derive(ECHO_PURPOSE, 32))
    let greeting: Buffer | null = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      let rest = chunk
      if (greeting) {
        const whole: Buffer = Buffer.concat([greeting, chunk])
        greeting = whole
        if (whole.length < GREETING_LENGTH) return
        const challenge = readGreeting(whole.subarray(0, GREETING_LENGTH))
        if (!challenge) {
          client.#end('it is no packet echo')
          return
        }

        rest = whole.subarray(GREETING_LENGTH)
        greeting = null
        const random = randomBytes(16)
        const session = Buffer.concat([challenge, random])
        client.#outgoing = new EchoDirection('probe', hmac, session)
        client.#incoming = new EchoDirection('gateway', hmac, session)
        socket.write(writeRequest({id: keys.current.id, hmac}, challenge, random))
      }

      const frames = client.#incoming.read(rest)
      if (frames) for (const frame of frames) client.#take(frame)
      else client.#end('it does not hold our key')
    })
    socket.on('error', (error: NodeJS.ErrnoException) => client.#end(error.code ?? error.message))
    socket.on('close', () => client.#end('it closed the connection: does the key fit?'))
    await client.#until(() => client.#ready, CONNECT_DEADLINE_MS)
    if (client.#ready) return client
    socket.destroy()
    throw new OverlayError('UNREACHABLE', `the packet echo at ${formatEndpoint(at)} does not serve`, {
      cause: client.ended ?? `no answer in ${CONNECT_DEADLINE_MS} ms`,
      suggestions: ['start the gateway with --echo ADDRESS:PORT, and give the same key file'],
    })
  }

  /** Waits until the gateway has told everything that reached it before this call's question did. */
  async flush(timeoutMs: number): Promise<boolean> {
    if (this.ended !== null) return false
    const body = Buffer.alloc(4)
    const number = ++this.#next
    body.writeUInt32BE(number)
    this.socket.write(this.#outgoing.write(EchoType.Ping, body))
    await this.#until(() => this.#lastPong >= number, timeoutMs)
    return this.#lastPong >= number
  }

  close(): void {
    this.socket.destroy()
  }

  #take({type, body}: EchoFrame): void {
    if (type === EchoType.Ready && body.length === 16) {
      this.seenAs = formatAddress(body)
      this.#ready = true
    } else if (type === EchoType.Pong && body.length === 4) this.#lastPong = body.readUInt32BE(0)
    else if (type === EchoType.Withheld && body.length === 4) this.withheld += body.readUInt32BE(0)
    else if ((type === EchoType.Arrived || type === EchoType.Left) && body.length > 10) {
      const ip = decodeIpPacket(body.subarray(10))
      const tcp = ip && decodeTcp(ip)
      if (tcp) this.packets.push({direction: type === EchoType.Arrived ? 'arrived' : 'left', ip, tcp})
    }

    this.#wake()
  }

  #end(why: string): void {
    this.ended ??= why
    this.socket.destroy()
    this.#wake()
  }

  async #until(done: () => boolean, timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs
    while (!done() && this.ended === null && performance.now() < until) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, until - performance.now()))
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}
