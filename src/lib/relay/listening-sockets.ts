import {OverlayError} from '../errors/index.js'
import {EACCES, EADDRINUSE, EADDRNOTAVAIL, ENOENT, EPERM, errnoName} from '../kernel/errno.js'
import {errno, sys} from '../kernel/libc.js'
import {socketAddress} from '../kernel/sockaddr.js'
import {congestionControl, listenOn, setCongestionControl, tcpSocket} from '../kernel/tcp-socket.js'
import {AF_INET} from '../kernel/socket-constants.js'
import type {PairConfig} from '../pair/pair-config.js'
import {formatEndpoint, sameAddress, type Endpoint} from '../wire/endpoint.js'

/** Connections that may wait to be accepted; the kernel lowers it to net.core.somaxconn. */
const BACKLOG = 8192

/** Sockets that are open, and not yet among those of the instance. */
export interface PreparedSockets {
  /** By process: descriptors by the index of their endpoint. */
  fresh: Map<number, number>[]
  commit(): void
  discard(): void
}

/**
 * The listening sockets of all processes, held by the supervisor: a process that dies takes no waiting connection with
 * it, its successor finds them.
 */
export class ListeningSockets {
  /** Descriptors by process, in the order of the endpoints. */
  readonly byProcess: number[][] = []
  /** The replication link's, on the side of a pair that accepts it; else null. */
  readonly replication: number | null = null

  /**
   * @param control congestion control that accepted sockets inherit, or null
   * @param pair of a pair: the addresses need not be here
   * @throws OverlayError ADDRESS_IN_USE, PRIVILEGE_MISSING, CONFIG_INVALID
   */
  constructor(
    private endpoints: readonly Endpoint[],
    private readonly processes: number,
    private readonly control: string | null,
    private readonly pair: PairConfig | null,
  ) {
    try {
      // With SO_REUSEPORT alone a second overlay on the same port would go unnoticed and share its connections.
      for (const endpoint of endpoints) sys.close(this.open(endpoint, false, null))
      if (pair?.member === 'b') this.replication = this.open(pair.listen, false, null)
      for (let i = 0; i < processes; i++) {
        this.byProcess.push([])
        for (const endpoint of endpoints) this.byProcess[i].push(this.open(endpoint, true, control))
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  /**
   * Opens what `endpoints` has and we have not. Nothing of ours changes before `commit`.
   *
   * @throws OverlayError as the constructor
   */
  prepare(endpoints: readonly Endpoint[]): PreparedSockets {
    const missing = [...endpoints.entries()].filter(
      ([, endpoint]) => !this.endpoints.some((held) => sameAddress(held, endpoint)),
    )
    const fresh = Array.from({length: this.processes}, () => new Map<number, number>())
    const discard = (): void => {
      for (const fds of fresh) for (const fd of fds.values()) sys.close(fd)
    }

    try {
      for (const [index, endpoint] of missing) {
        sys.close(this.open(endpoint, false, null))
        for (const fds of fresh) fds.set(index, this.open(endpoint, true, this.control))
      }
    } catch (error) {
      discard()
      throw error
    }

    return {fresh, discard, commit: () => this.replace(endpoints, fresh)}
  }

  private replace(endpoints: readonly Endpoint[], fresh: readonly ReadonlyMap<number, number>[]): void {
    const places = endpoints.map((endpoint) => this.endpoints.findIndex((held) => sameAddress(held, endpoint)))
    for (const [process, held] of this.byProcess.entries()) {
      this.byProcess[process] = places.map((place, index) => (place === -1 ? fresh[process].get(index)! : held[place]))
      // The process has this socket too, takes in what waits there and then shuts it.
      for (const [place, fd] of held.entries()) if (!places.includes(place)) sys.close(fd)
    }

    this.endpoints = endpoints
  }

  close(): void {
    for (const fds of this.byProcess) for (const fd of fds) sys.close(fd)
    this.byProcess.length = 0
    if (this.replication !== null) sys.close(this.replication)
  }

  private open(endpoint: Endpoint, reusePort: boolean, control: string | null): number {
    const fd = listenOn(socketAddress(endpoint), {reusePort, backlog: BACKLOG, freebind: this.pair !== null})
    if (fd < 0) throw listenError(endpoint, -fd)
    if (control !== null && !setCongestionControl(fd, congestionControl(control))) {
      const error = errno()
      sys.close(fd)
      throw congestionControlError(control, error)
    }

    return fd
  }
}

/** @throws OverlayError CONFIG_INVALID when the kernel does not know this congestion control */
export function checkCongestionControl(name: string): void {
  const fd = tcpSocket(AF_INET)
  if (fd < 0) return
  const good = setCongestionControl(fd, congestionControl(name))
  const error = errno()
  sys.close(fd)
  if (!good) throw congestionControlError(name, error)
}

function congestionControlError(name: string, error: number): OverlayError {
  return new OverlayError('CONFIG_INVALID', `congestion control "${name}" cannot be used`, {
    cause: errnoName(error),
    suggestions: [
      error === ENOENT ? `modprobe tcp_${name}` : 'see net.ipv4.tcp_allowed_congestion_control',
      'sysctl net.ipv4.tcp_available_congestion_control lists what this kernel has',
    ],
  })
}

function listenError(endpoint: Endpoint, error: number): OverlayError {
  const where = formatEndpoint(endpoint)
  if (error === EADDRINUSE) {
    return new OverlayError('ADDRESS_IN_USE', `cannot listen on ${where}: another program does`, {
      suggestions: [`ss -ltnp 'sport = :${endpoint.port}' shows which`],
    })
  }

  if (error === EADDRNOTAVAIL) {
    return new OverlayError('ADDRESS_IN_USE', `cannot listen on ${where}: not an address of this host`, {
      suggestions: ['ip address shows them; 0.0.0.0 and [::] mean all of them'],
    })
  }

  if (error === EACCES || error === EPERM) {
    return new OverlayError('PRIVILEGE_MISSING', `cannot listen on ${where}: not permitted`, {
      cause: errnoName(error),
      suggestions: ['run as root, grant CAP_NET_BIND_SERVICE, or take a port from 1024 on'],
    })
  }

  return new OverlayError('SYSTEM_CALL_FAILED', `cannot listen on ${where}`, {cause: errnoName(error)})
}
