import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {nodeCommand} from '../cli/node-entry.js'
import {OverlayError} from '../errors/index.js'
import type {HostProcess} from '../lab/host-process.js'
import {Lab} from '../lab/lab.js'
import type {LabSpec} from '../lab/spec.js'
import type {Endpoint} from '../wire/endpoint.js'

const READY_DEADLINE_MS = 15_000
const STDERR_KEPT = 4000

/** TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h). */
const STATE_LISTEN = '0A'

export interface ServerOptions {
  host: string
  /** What it is, for messages. */
  what: string
  words: readonly string[]
  listen: Endpoint
  /** Files of the host's run directory that it reads, by name. */
  files?: Record<string, string>
  env?: Record<string, string>
}

/** A lab with servers in its hosts. Everything ends with {@link Stage.close}. */
export class Stage {
  /** All that were started and not stopped, in their order. */
  readonly servers: HostProcess[] = []

  private constructor(readonly lab: Lab) {}

  static async open(spec: LabSpec): Promise<Stage> {
    return new Stage(await Lab.up(spec, {owned: true}))
  }

  /** An IPv4 address of a host, on one of its links. */
  address(host: string, link: 'client-edge' | 'edge-gateway' | 'gateway-origin'): string {
    const end = this.lab.host(host).interfaces[link]
    if (!end) throw new OverlayError('NOT_FOUND', `${host} is not on link ${link}`)
    return end.ipv4
  }

  /** Where a server of a host may keep a file. */
  file(host: string, name: string): string {
    return join(this.lab.host(host).runDir, name)
  }

  write(host: string, name: string, text: string): void {
    writeFileSync(this.file(host, name), text, {mode: 0o600})
  }

  /**
   * Runs a program in a host to its end.
   *
   * @returns what it printed
   * @throws OverlayError SYSTEM_CALL_FAILED with what it said, when it fails
   */
  async run(host: string, words: readonly string[]): Promise<string> {
    const {code, stdout, stderr} = await this.lab.exec(host, words)
    if (code !== 0)
      throw new OverlayError('SYSTEM_CALL_FAILED', `${words.join(' ')} failed on ${host}`, {cause: stderr.trim()})
    return stdout
  }

  /**
   * Starts a server and waits until it listens.
   *
   * @throws OverlayError SYSTEM_CALL_FAILED with what it said, when it ends instead; DEADLINE_EXCEEDED
   */
  async serve({host, what, words, listen, files = {}, env}: ServerOptions): Promise<HostProcess> {
    for (const [name, text] of Object.entries(files)) this.write(host, name, text)
    const server = this.lab.spawn(host, words, {stdio: ['pipe', 'ignore', 'pipe'], env})
    this.servers.push(server)
    let said = ''
    server.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-STDERR_KEPT)
    })
    const deadline = performance.now() + READY_DEADLINE_MS
    while (!isListening(server.pid, listen.port)) {
      const cause = said.trim() || undefined
      if (server.child.exitCode !== null || server.child.signalCode !== null) {
        throw new OverlayError('SYSTEM_CALL_FAILED', `${what} ended as soon as it was started`, {cause})
      }

      if (performance.now() > deadline) {
        throw new OverlayError('DEADLINE_EXCEEDED', `${what} does not listen after ${READY_DEADLINE_MS / 1000} s`, {
          cause,
        })
      }

      await sleep(20)
    }

    return server
  }

  /** Stops servers, the last one first: an edge before its gateway. */
  async stop(servers: readonly HostProcess[]): Promise<void> {
    for (const server of [...servers].reverse()) {
      await server.stop()
      this.servers.splice(this.servers.indexOf(server), 1)
    }
  }

  /**
   * Starts an origin on its host.
   *
   * @param entry of its process, spelled with `.js`; the measuring origin when not given
   */
  async serveOrigin(
    listen: Endpoint,
    entry: URL = new URL('origin-process.js', import.meta.url),
  ): Promise<HostProcess> {
    const words = nodeCommand(entry)
    return this.serve({
      host: 'origin',
      what: 'the origin',
      words: [...words, listen.address, String(listen.port)],
      listen,
    })
  }

  /** Sets net.* values in one host. */
  async sysctl(host: string, values: Record<string, number | string>): Promise<void> {
    const settings = Object.entries(values).map(([name, value]) => `${name}=${value}`)
    await this.run(host, ['sysctl', '-q', '-w', ...settings])
  }

  /** Makes every host forget what its kernel remembers of others: RTT, window, TCP Fast Open cookies. */
  async forgetTcpMetrics(): Promise<void> {
    await Promise.all(this.lab.hosts.map((host) => this.lab.exec(host.name, ['ip', 'tcp_metrics', 'flush'])))
  }

  close(): Promise<void> {
    return this.lab.down()
  }
}

/** True when somebody listens on the port in the network namespace of the process; IPv4 and IPv6. */
function isListening(pid: number, port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return ['tcp', 'tcp6'].some((table) => {
    try {
      return readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
        .split('\n')
        .some((line) => {
          const [, local, , state] = line.trim().split(/\s+/)
          return state === STATE_LISTEN && local.endsWith(suffix)
        })
    } catch {
      return false // it has just ended
    }
  })
}
