import {randomBytes} from 'node:crypto'

import {
  congestionControl,
  setCongestionControl,
  setMark,
  startConnect,
  tcpSocket,
  type CongestionControl,
} from '../kernel/tcp-socket.js'
import {sys, errno} from '../kernel/libc.js'
import {errnoName} from '../kernel/errno.js'
import {socketAddress, type SocketAddress} from '../kernel/sockaddr.js'
import {formatEndpoint, type Endpoint} from '../wire/endpoint.js'
import {ORDINARY, OUTCOMES} from './dial-plan.js'
import {GatewayHealth} from './gateway-health.js'
import {LatencyHistogram} from './latency-histogram.js'
import {ORDINARY_MARK, type EdgeConfig} from './process-config.js'
import type {RateLimitedLog} from './rate-limited-log.js'

/** One gateway as an edge process sees it: its address, what is believed of it, what has been counted. */
export class EdgeGateway {
  readonly health = new GatewayHealth()
  readonly address: SocketAddress
  readonly name: string
  /** Dials of client connections, by handshake (index: ZERO_RTT, ORDINARY). */
  readonly dials = [0, 0]
  readonly accepted = [0, 0]
  /** Dials that failed, by outcome. */
  readonly failures = Array.from<number>({length: OUTCOMES.length}).fill(0)
  /** From connect() to the moment the socket took the first bytes, by handshake. */
  readonly connectMs = [new LatencyHistogram(), new LatencyHistogram()]
  /** From connect() to the gateway's `accepted`. */
  readonly confirmedMs = new LatencyHistogram()
  healthChecks = 0
  healthFailures = 0

  constructor(readonly endpoint: Endpoint) {
    this.address = socketAddress(endpoint)
    this.name = formatEndpoint(endpoint)
  }

  get preferred(): boolean {
    return this.health.preferred
  }

  zeroRttFits(now: number): boolean {
    return this.health.zeroRttFits(now)
  }

  zeroRttPasses(now: number): boolean {
    return this.health.zeroRttPasses(now)
  }
}

/** What makes an edge process one instance: its random name and the counter of its connections. */
export class EdgeInstance {
  /** 8 bytes. */
  readonly id = randomBytes(8)
  /** The same as 16 hex digits. */
  readonly name = this.id.toString('hex')
  private counter = 0

  nextCounter(): number {
    return ++this.counter
  }
}

/** Opens sockets of the middle leg as the configuration asks. */
export class EdgeDialer {
  private readonly control: CongestionControl | null

  constructor(
    private readonly config: Pick<EdgeConfig, 'zeroRtt' | 'congestionControl'>,
    private readonly log: RateLimitedLog,
  ) {
    this.control = config.congestionControl === null ? null : congestionControl(config.congestionControl)
  }

  /**
   * A socket that connects to a gateway.
   *
   * @param handshake ZERO_RTT or ORDINARY
   * @param bind gives the socket its source address; returns 0 or an errno
   * @returns the descriptor, or the errno negated
   */
  open(gateway: EdgeGateway, handshake: number, bind?: (fd: number, remote: Buffer) => number): number {
    const fd = tcpSocket(gateway.address.family)
    if (fd < 0) return -errno()
    if (this.config.zeroRtt && handshake === ORDINARY && !setMark(fd, ORDINARY_MARK)) {
      this.log.error('mark', () => `SO_MARK: ${errnoName(errno())}; this dial may use the zero-RTT handshake`)
    }

    if (this.control !== null && !setCongestionControl(fd, this.control)) {
      const {name} = this.control
      this.log.warning('congestion-control', () => `congestion control ${name}: ${errnoName(errno())}`)
    }

    const error = (bind?.(fd, gateway.address.address) ?? 0) || startConnect(fd, gateway.address)
    if (error === 0) return fd
    sys.close(fd)
    return -error
  }
}
