import {randomBytes} from 'node:crypto'
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, connect, type AddressInfo, type Server, type Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {
  edgeSettings,
  gatewaySettings,
  type EdgeFlags,
  type GatewayFlags,
  type RelaySettings,
} from '../../../src/lib/config/relay-settings.js'
import {Resolution} from '../../../src/lib/config/resolution.js'
import {RunningSettings} from '../../../src/lib/config/running-settings.js'
import {Key} from '../../../src/lib/keys/key-file.js'
import {sys} from '../../../src/lib/kernel/libc.js'
import {socketAddress} from '../../../src/lib/kernel/sockaddr.js'
import {listenOn, startConnect, tcpSocket} from '../../../src/lib/kernel/tcp-socket.js'
import {parseEndpoint} from '../../../src/lib/wire/endpoint.js'
import type {ProcessConfig} from '../../../src/lib/relay/process-config.js'
import type {LogLine} from '../../../src/lib/relay/rate-limited-log.js'
import type {EdgeTraffic, GatewayTraffic} from '../../../src/lib/relay/status-report.js'
import {Supervisor} from '../../../src/lib/relay/supervisor.js'
import {PREAMBLE_PURPOSE, Preamble, PreambleKey, parsePreamble} from '../../../src/lib/wire/preamble.js'
import {REPLY_LENGTH, Refusal, ReplyStatus, writeReply} from '../../../src/lib/wire/reply.js'

/** OVERLAY_LONG=1: the full sizes and counts, some minutes; a sample otherwise. */
export const LONG = process.env.OVERLAY_LONG === '1'

/** An overlay on loopback: real relay processes, supervisors and clients in the test's own process. */
export class Overlay {
  readonly directory = mkdtempSync(join(tmpdir(), 'ov-'))
  readonly keyFile = join(this.directory, 'keys')
  readonly logs: LogLine[] = []
  private readonly started: Supervisor[] = []
  private readonly servers: Server[] = []
  private readonly sockets = new Set<Socket>()
  private readonly runDirectory = process.env.OVERLAY_RUN_DIR

  constructor() {
    process.env.OVERLAY_RUN_DIR = join(this.directory, 'run')
    this.writeKeys(1)
  }

  /** Key files hold secrets made from their ids, so that ids name the same key in every test. */
  writeKeys(...ids: number[]): void {
    const lines = ids.map((id) => `${id} ${id.toString(16).padStart(2, '0').repeat(32)}`)
    writeFileSync(this.keyFile, lines.join('\n') + '\n', {mode: 0o600})
  }

  /** @returns the path of a configuration file; JSON is YAML */
  writeConfig(config: object): string {
    const path = join(this.directory, 'overlay.yaml')
    writeFileSync(path, JSON.stringify(config))
    return path
  }

  async gateway(name: string, listen: string, flags: Partial<GatewayFlags> = {}): Promise<Supervisor> {
    const given = {
      name,
      listen: [listen],
      'allow-origin': ['127.0.0.0/8:*', '[::1]:*'],
      'key-file': this.keyFile,
      processes: 1,
      ...flags,
    }
    const resolution = new Resolution('gateway')
    const settings = gatewaySettings(given, resolution)
    return this.start(settings, new RunningSettings(resolution, (again) => gatewaySettings(given, again)))
  }

  async edge(name: string, flags: Partial<EdgeFlags>): Promise<Supervisor> {
    const given = {
      name,
      'key-file': this.keyFile,
      'zero-rtt': false,
      processes: 1,
      ...flags,
    }
    const resolution = new Resolution('edge')
    const settings = edgeSettings(given, resolution)
    return this.start(settings, new RunningSettings(resolution, (again) => edgeSettings(given, again)))
  }

  /** A server on a port that the kernel chooses. */
  async origin(serve: (socket: Socket) => void, host = '127.0.0.1'): Promise<string> {
    const server = createServer({allowHalfOpen: true}, (socket) => {
      this.track(socket)
      serve(socket)
    })
    this.servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    return endpoint(host, (server.address() as AddressInfo).port)
  }

  /**
   * A gateway that holds the key and answers health checks, and does with a client's connection what the test says.
   *
   * @param serve gets the socket, the preamble's bytes with what followed, and a function that makes a genuine reply
   */
  async impostor(serve: (socket: Socket, bytes: Buffer, reply: () => Buffer) => void): Promise<string> {
    const key = preambleKey(1)
    return this.origin((socket) => {
      socket.once('data', (bytes: Buffer) => {
        const preamble = new Preamble()
        parsePreamble(bytes, 0, bytes.length, preamble)
        const reply = (): Buffer => {
          const buffer = Buffer.alloc(REPLY_LENGTH)
          const mac = bytes.subarray(preamble.macAt, preamble.macAt + 32)
          writeReply(buffer, 0, ReplyStatus.Accepted, Refusal.None, null, key, mac)
          return buffer
        }

        if (preamble.local) socket.end(reply())
        else serve(socket, bytes, reply)
      })
    })
  }

  /** A client of an edge; half-open allowed, errors kept on `lastError`. */
  client(address: string): Client {
    const {host, port} = split(address)
    const socket = connect({host, port, allowHalfOpen: true})
    this.track(socket)
    return new Client(socket)
  }

  /** Everything down again. */
  async close(): Promise<void> {
    for (const supervisor of this.started) supervisor.force()
    for (const socket of this.sockets) socket.destroy()
    for (const server of this.servers) server.close()
    await Promise.allSettled(this.started.map((supervisor) => supervisor.ended))
    await pause(20)
    rmSync(this.directory, {recursive: true, force: true})
    if (this.runDirectory === undefined) delete process.env.OVERLAY_RUN_DIR
    else process.env.OVERLAY_RUN_DIR = this.runDirectory
  }

  private async start(
    settings: RelaySettings<ProcessConfig>,
    running: RunningSettings<RelaySettings<ProcessConfig>>,
  ): Promise<Supervisor> {
    const {logs} = this
    const supervisor = new Supervisor({...settings, plane: null, pair: null, running, log: (line) => logs.push(line)})
    await supervisor.start()
    this.started.push(supervisor)
    return supervisor
  }

  private track(socket: Socket): void {
    this.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
  }
}

/** A socket whose bytes and end can be waited for. */
export class Client {
  received = Buffer.alloc(0)
  error: string | undefined
  ended = false
  readonly closed: Promise<void>
  private wake: (() => void)[] = []

  constructor(readonly socket: Socket) {
    socket.on('data', (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes])
      this.signal()
    })
    socket.on('end', () => {
      this.ended = true
      this.signal()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.signal()
        resolve()
      })
    })
  }

  /** Waits until so many bytes are there, the peer has ended, or the socket is closed. */
  async until(length: number): Promise<string> {
    while (this.received.length < length && !this.ended && !this.socket.closed) {
      await new Promise<void>((resolve) => this.wake.push(resolve))
    }

    return this.received.toString('latin1')
  }

  async untilEnd(): Promise<string> {
    return this.until(Number.POSITIVE_INFINITY)
  }

  private signal(): void {
    const waiting = this.wake
    this.wake = []
    for (const resolve of waiting) resolve()
  }
}

/** The preamble key of an id in {@link Overlay.writeKeys}. */
export function preambleKey(id: number): PreambleKey {
  const secret = Buffer.from(id.toString(16).padStart(2, '0').repeat(32), 'hex')
  return new PreambleKey(id, new Key(id, secret).derive(PREAMBLE_PURPOSE, 32))
}

let nextPort = 20_000 + Math.floor(Math.random() * 8000)

/** An address on loopback that nobody listens on. */
export function freeAddress(host = '127.0.0.1'): string {
  nextPort++
  return endpoint(host, nextPort)
}

export function endpoint(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export function split(address: string): {host: string; port: number} {
  const at = address.lastIndexOf(':')
  return {host: address.slice(0, at).replaceAll(/[[\]]/g, ''), port: Number(address.slice(at + 1))}
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits for something to come true; fails after the deadline with what was expected. */
export async function eventually(
  what: string,
  check: () => boolean | Promise<boolean>,
  deadlineMs = 5000,
): Promise<void> {
  const deadline = Date.now() + deadlineMs
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await pause(20)
  }
}

export async function edgeTrafficOf(supervisor: Supervisor): Promise<EdgeTraffic> {
  return (await supervisor.status()).traffic as EdgeTraffic
}

export async function gatewayTrafficOf(supervisor: Supervisor): Promise<GatewayTraffic> {
  return (await supervisor.status()).traffic as GatewayTraffic
}

export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Resident memory in KiB. */
export function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1])
}

export const randomName = (): string => randomBytes(4).toString('hex')

/** A listener whose accept queue is full: the kernel drops SYNs to it. */
export function fullListener(address: string): {close(): void} {
  const target = socketAddress(parseEndpoint(address, 'test'))
  const fds = [listenOn(target, {reusePort: false, backlog: 0})]
  for (let i = 0; i < 2; i++) {
    const fd = tcpSocket(target.family)
    startConnect(fd, target)
    fds.push(fd)
  }

  return {
    close() {
      for (const fd of fds) sys.close(fd)
    },
  }
}
