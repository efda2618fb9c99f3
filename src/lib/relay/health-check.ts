import {EAGAIN} from '../kernel/errno.js'
import {allocate, errno, sys} from '../kernel/libc.js'
import {EPOLLOUT, MSG_NOSIGNAL} from '../kernel/socket-constants.js'
import {readTcpInfo, tcpInfo} from '../kernel/tcp-info.js'
import {CHALLENGE_LENGTH, MAC_LENGTH, PreambleFields, writePreamble, type PreambleKey} from '../wire/preamble.js'
import {REFUSALS, REPLY_LENGTH, ReplyStatus, copyChallenge, readReply, replyReason} from '../wire/reply.js'
import {READABLE} from './connection.js'
import {ORDINARY, ZERO_RTT} from './dial-plan.js'
import type {EdgeDialer, EdgeGateway, EdgeInstance} from './edge-dialer.js'
import {Pollable, type EpollLoop} from './epoll-loop.js'
import type {EdgeConfig, PreambleKeys} from './process-config.js'
import type {RateLimitedLog} from './rate-limited-log.js'
import {Timer} from './timer-wheel.js'

/** The reply comes to 0 of a check's memory, the preamble leaves from here. */
const PREAMBLE_AT = 64

/** A check that takes longer has failed, in addition to the known round trip, ms. */
const CHECK_TIMEOUT_MS = 2000

/** What an edge process's health checks share. */
export interface HealthCheckParts {
  readonly loop: EpollLoop
  readonly log: RateLimitedLog
  readonly dialer: EdgeDialer
  readonly instance: EdgeInstance
  /** Read anew for each check, like the keys: both change while it runs. */
  config: EdgeConfig
  keys: PreambleKeys
}

/**
 * Asks one gateway again and again whether it takes connections: a connection of its own with a LOCAL preamble and the
 * gateway's reply. The first one also answers the gateway's challenge, so that no client has to wait for it.
 */
export class HealthCheck extends Pollable {
  private readonly memory = allocate(512)
  private readonly fields = new PreambleFields()
  private readonly mac = Buffer.alloc(MAC_LENGTH)
  private readonly challenge = Buffer.alloc(CHALLENGE_LENGTH)
  private readonly timer: Timer
  private key!: PreambleKey
  private handshake: number = ORDINARY
  private sendAt = 0
  private sendLength = 0
  private replyLength = 0
  private sentAt = 0
  private challenged = false
  private onFirst: (() => void) | null = null

  constructor(
    private readonly parts: HealthCheckParts,
    private readonly gateway: EdgeGateway,
  ) {
    super()
    this.timer = new Timer(() => this.due())
    this.fields.local = true
    this.fields.instance = parts.instance.id
    this.fields.audience = gateway.address.address
    this.fields.audiencePort = gateway.endpoint.port
  }

  /** @param first called once, when the first check has ended either way */
  start(first: () => void): void {
    this.onFirst = first
    this.begin(false)
  }

  stop(): void {
    this.parts.loop.timers.cancel(this.timer)
    this.drop()
  }

  override onEvents(mask: number): void {
    if ((mask & EPOLLOUT) !== 0 && !this.send()) return
    if ((mask & READABLE) !== 0) this.read()
  }

  private due(): void {
    if (this.fd < 0) this.begin(false)
    else this.failed('no answer in time')
  }

  private begin(challenged: boolean): void {
    const {loop, config, dialer} = this.parts
    const {health} = this.gateway
    this.gateway.healthChecks++
    this.challenged = challenged
    this.handshake = config.zeroRtt && health.zeroRttFits(loop.now) ? ZERO_RTT : ORDINARY
    loop.timers.arm(this.timer, loop.now + CHECK_TIMEOUT_MS + 2 * health.rttMs)
    const fd = dialer.open(this.gateway, this.handshake)
    if (fd < 0) {
      this.failed('cannot connect')
      return
    }

    loop.assign(this, fd)
    this.key = this.parts.keys.current
    this.fields.timestamp = Date.now()
    this.fields.counter = this.parts.instance.nextCounter()
    this.fields.challenge = challenged ? this.challenge : null
    this.sendLength = writePreamble(this.memory.bytes, PREAMBLE_AT, this.fields, this.key, this.mac)
    this.sendAt = PREAMBLE_AT
    this.replyLength = 0
    if (this.send() && this.fd >= 0) loop.watch(this)
  }

  /** False when the check has ended. */
  private send(): boolean {
    if (this.sendLength === 0) return true
    const sent = sys.send(this.fd, this.memory.address + this.sendAt, this.sendLength, MSG_NOSIGNAL)
    if (sent < 0) {
      if (errno() === EAGAIN) return true
      this.broken()
      return false
    }

    this.sentAt = performance.now()
    this.sendAt += sent
    this.sendLength -= sent
    return true
  }

  private read(): void {
    const length = sys.recv(this.fd, this.memory.address + this.replyLength, REPLY_LENGTH - this.replyLength, 0)
    if (length < 0 && errno() === EAGAIN) return
    if (length <= 0) {
      this.broken()
      return
    }

    this.replyLength += length
    if (this.replyLength < REPLY_LENGTH) {
      this.read()
      return
    }

    this.answered()
  }

  private answered(): void {
    const {bytes} = this.memory
    const status = readReply(bytes, 0, this.key, this.mac)
    if (status === ReplyStatus.Accepted) {
      this.gateway.health.measured(performance.now() - this.sentAt)
      if (this.gateway.health.succeeded()) {
        this.parts.log.info('gateway-up', () => `gateway ${this.gateway.name} is up`)
      }

      this.finish()
    } else if (status === ReplyStatus.Challenge && !this.challenged) {
      copyChallenge(bytes, 0, this.challenge)
      this.drop()
      this.begin(true)
    } else if (status === ReplyStatus.Refused) {
      const reason = replyReason(bytes, 0)
      this.failed(`refused: ${REFUSALS[reason] ?? reason}`)
    } else {
      this.failed(status === ReplyStatus.Challenge ? 'challenged twice' : 'its reply does not fit our key')
    }
  }

  /** RST or FIN before a reply. */
  private broken(): void {
    const {loop, log} = this.parts
    const acknowledged = readTcpInfo(this.fd) && tcpInfo.bytesAcked > 1
    if (this.handshake === ZERO_RTT && !acknowledged) {
      this.gateway.health.blockZeroRtt(loop.now)
      log.warning('zero-rtt-reset', () => `gateway ${this.gateway.name} answered a zero-RTT handshake with an RST`)
      this.drop()
      this.begin(this.challenged)
      return
    }

    this.failed(acknowledged ? 'it closed on our preamble (do the keys fit?)' : 'connection refused or reset')
  }

  private failed(why: string): void {
    this.gateway.healthFailures++
    if (this.gateway.health.failed()) {
      const {name, health} = this.gateway
      this.parts.log.warning('gateway-down', () => `gateway ${name} is ${health.state}: health check: ${why}`)
    }

    this.finish()
  }

  private finish(): void {
    const {loop, config} = this.parts
    this.drop()
    // Up to a quarter earlier or later, so that the processes of many edges do not ask at the same moment.
    const wait = config.healthIntervalMs * (0.75 + Math.random() / 2)
    loop.timers.arm(this.timer, loop.now + wait)
    const first = this.onFirst
    this.onFirst = null
    first?.()
  }

  private drop(): void {
    if (this.fd < 0) return
    const {fd} = this
    this.parts.loop.release(this)
    sys.close(fd)
  }
}
