import {randomBytes} from 'node:crypto'
import {accessSync, constants} from 'node:fs'
import {join} from 'node:path'

import {builtFile, overlayCommand} from '../cli/node-entry.js'
import {OverlayError} from '../errors/index.js'
import {formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import {haproxyConfig, type HaproxyHop} from './haproxy-config.js'
import {nginxStreamConfig, type NginxOptions} from './nginx-config.js'
import {middleConnect, requireHandshakePlane} from './own-pair.js'
import type {Percentiles} from './percentiles.js'
import {forgetPath} from './path-memory.js'
import type {PathName} from './schema.js'
import type {Stage} from './stage.js'

/** One way from client to origin. */
export interface Contender {
  /** Programs without which it is skipped. */
  programs: string[]
  /** Starts its servers and gives what the client connects to. */
  start(stage: Stage, origin: Endpoint): Promise<Endpoint>
  /** Makes it forget earlier connections, beyond what the kernels' TCP metrics hold. */
  forget?(stage: Stage): void
  /** How long its edge's connect() to the gateway took, where it tells. */
  middleConnect?(stage: Stage): Promise<Percentiles | undefined>
}

/** A contender's servers listen on the same port number at edge and gateway. */
function places(stage: Stage, port: number): {edge: Endpoint; gateway: Endpoint} {
  return {
    edge: {address: stage.address('edge', 'client-edge'), port},
    gateway: {address: stage.address('gateway', 'edge-gateway'), port},
  }
}

/** A pair of HAProxies in tcp mode, with TCP Fast Open between them or without. */
export function haproxyPair(
  port: number,
  fastOpen: boolean,
  tuning: Pick<HaproxyHop, 'maxConnections' | 'splice' | 'threads'> = {},
): Contender {
  return {
    programs: ['haproxy'],
    async start(stage, origin) {
      const {edge, gateway} = places(stage, port)
      const name = `haproxy-${port}.cfg`
      if (fastOpen) {
        // 1: ask for it as a client, 2: grant it as a server (Documentation/networking/ip-sysctl.rst).
        await stage.sysctl('edge', {'net.ipv4.tcp_fastopen': 3})
        await stage.sysctl('gateway', {'net.ipv4.tcp_fastopen': 3})
      }

      const hops = {
        gateway: haproxyConfig({...tuning, listen: gateway, target: origin, fastOpenListen: fastOpen}),
        edge: haproxyConfig({...tuning, listen: edge, target: gateway, fastOpenTarget: fastOpen}),
      }
      for (const host of ['gateway', 'edge'] as const) {
        const words = ['haproxy', '-db', '-f', stage.file(host, name)]
        await stage.serve({
          host,
          what: `HAProxy on ${host}`,
          words,
          listen: host === 'edge' ? edge : gateway,
          files: {[name]: hops[host]},
          env: fastOpen && host === 'edge' ? {LD_PRELOAD: builtFile('native/fast-open-connect.so')} : {},
        })
      }

      return edge
    },
  }
}

/** The same HAProxies, knowing nothing of the handshake plane on their interfaces. */
function haproxyPairWithPlane(name: string, port: number): Contender {
  const pair = haproxyPair(port, false)
  return {
    programs: pair.programs,
    async start(stage, origin) {
      const {gateway} = places(stage, port)
      const key = newKey()
      for (const [host, toWhat] of [
        ['gateway', '--listen'],
        ['edge', '--gateway'],
      ] as const) {
        const file = `${name}.key`
        stage.write(host, file, key)
        const words = ['attach', toWhat, formatEndpoint(gateway), '--name', name, '--key-file', stage.file(host, file)]
        await stage.run(host, overlayCommand(host, ...words))
      }

      return pair.start(stage, origin)
    },
    forget: (stage) => forgetPaths(stage, name),
  }
}

function forgetPaths(stage: Stage, name: string): void {
  for (const role of ['edge', 'gateway'] as const) forgetPath(stage.lab.host(role).runDir, role, name)
}

/** A key file with one new key. */
function newKey(): string {
  return `1 ${randomBytes(32).toString('hex')}\n`
}

export function nginxPair(port: number, options: NginxOptions = {}): Contender {
  return {
    programs: ['nginx'],
    async start(stage, origin) {
      const {edge, gateway} = places(stage, port)
      for (const [host, listen, target] of [
        ['gateway', gateway, origin],
        ['edge', edge, gateway],
      ] as const) {
        const config = nginxStreamConfig(listen, target, stage.lab.host(host).runDir, options)
        const words = ['nginx', '-e', 'stderr', '-c', stage.file(host, 'nginx-stream.conf')]
        await stage.serve({host, what: `nginx on ${host}`, words, listen, files: {'nginx-stream.conf': config}})
      }

      return edge
    },
  }
}

/**
 * Our own edge and gateway, with the handshake plane or without.
 *
 * @param load one client makes all the load: without the limits that keep one client from having all of an edge
 */
export function overlayPair(
  name: string,
  port: number,
  zeroRtt: boolean,
  {processes = 1, load = false}: {processes?: number; load?: boolean} = {},
): Contender {
  return {
    programs: [],
    async start(stage, origin) {
      const {edge, gateway} = places(stage, port)
      const key = newKey()
      const files = {[`${name}.key`]: key}
      const common = (host: string): string[] => {
        const words = ['--name', name, '--processes', `${processes}`, '--key-file', stage.file(host, `${name}.key`)]
        return zeroRtt ? words : [...words, '--no-zero-rtt']
      }

      const gatewayWords = ['--listen', formatEndpoint(gateway), '--allow-origin', formatEndpoint(origin)]
      await stage.serve({
        host: 'gateway',
        what: `overlay gateway (${name})`,
        words: overlayCommand('gateway', 'start', ...gatewayWords, ...common('gateway')),
        listen: gateway,
        files,
      })
      const edgeWords = ['--listen', formatEndpoint(edge), '--origin', formatEndpoint(origin)]
      if (load) edgeWords.push('--max-client-rate', '0', '--max-client-connections', '0')
      await stage.serve({
        host: 'edge',
        what: `overlay edge (${name})`,
        words: overlayCommand('edge', 'start', ...edgeWords, '--gateway', formatEndpoint(gateway), ...common('edge')),
        listen: edge,
        files,
      })
      if (zeroRtt) await requireHandshakePlane(stage, name)
      return edge
    },
    forget: zeroRtt ? (stage) => forgetPaths(stage, name) : undefined,
    middleConnect: (stage) => middleConnect(stage, name, zeroRtt ? 'zeroRtt' : 'ordinary'),
  }
}

export const CONTENDERS: Record<PathName, Contender> = {
  direct: {programs: [], start: async (_stage, origin) => origin},
  split: overlayPair('split', 7001, false),
  'zero-rtt': overlayPair('zero-rtt', 7002, true),
  haproxy: haproxyPair(7003, false),
  'haproxy-tfo': haproxyPair(7004, true),
  nginx: nginxPair(7005),
  'haproxy-zero-rtt': haproxyPairWithPlane('beside-haproxy', 7006),
}

/**
 * Starts a contender.
 *
 * @returns what its client connects to, or why it cannot be measured: a program is missing, its servers did not start
 * @throws what is no OverlayError
 */
export async function tryStart(
  contender: Contender,
  stage: Stage,
  origin: Endpoint,
): Promise<{skipped: string} | {target: Endpoint}> {
  const missing = missingProgram(contender)
  if (missing) return {skipped: `${missing} is not installed`}
  try {
    return {target: await contender.start(stage, origin)}
  } catch (error) {
    if (!(error instanceof OverlayError)) throw error
    const cause = typeof error.cause === 'string' ? `: ${error.cause.split('\n')[0]}` : ''
    return {skipped: error.message + cause}
  }
}

/** The first of its programs that is not installed, or undefined. */
export function missingProgram({programs}: Contender, path = process.env.PATH ?? ''): string | undefined {
  return programs.find((name) => !path.split(':').some((directory) => isExecutable(join(directory || '.', name))))
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
