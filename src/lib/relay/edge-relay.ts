import {EAGAIN, ECONNREFUSED, ECONNRESET, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPIPE, ETIMEDOUT} from '../kernel/errno.js'
import {errno, sys} from '../kernel/libc.js'
import {readSockaddr} from '../kernel/sockaddr.js'
import {EPOLLOUT, MSG_MORE, MSG_NOSIGNAL} from '../kernel/socket-constants.js'
import {readTcpInfo, tcpInfo} from '../kernel/tcp-info.js'
import {closeWithReset, shutdownWrite, takeSocketError} from '../kernel/tcp-socket.js'
import {addressBytes, formatEndpoint, sameAddress} from '../wire/endpoint.js'
import type {FarLeg} from '../wire/far-leg.js'
import {MAC_LENGTH, Preamble, parsePreamble} from '../wire/preamble.js'
import {REFUSALS, REPLY_LENGTH, Refusal, ReplyStatus, copyChallenge, readReply, replyReason} from '../wire/reply.js'
import {READABLE, STATE_CLOSED, STATE_RELAYING, type Side} from './connection.js'
import {
  GIVE_UP,
  ORDINARY,
  Outcome,
  OUTCOMES,
  STAY,
  WAIT,
  ZERO_RTT,
  firstDial,
  gatewayOf,
  handshakeOf,
  nextDial,
  stepOf,
} from './dial-plan.js'
import {EarlyBytes} from './early-bytes.js'
import {EdgeConnection, type EdgeService} from './edge-connection.js'
import type {EdgeDialer, EdgeGateway, EdgeInstance} from './edge-dialer.js'
import type {EpollLoop} from './epoll-loop.js'
import {flowId} from './flow-id.js'
import {Listener} from './listener.js'
import {Admission, Meter, Meters, clientKey} from './meter.js'
import {keyOf, type EdgeConfig, type PreambleKeys} from './process-config.js'
import type {RateLimitedLog} from './rate-limited-log.js'
import {Relay} from './relay.js'
import {sameEndpoint, type AdoptedFlow} from './replicator.js'
import type {Slab} from './slab-pool.js'
import {READ_LENGTH} from './transfer.js'

const NOTHING = Buffer.alloc(0)

/** Waiting for the gateway's reply: early bytes are kept, nothing has reached the client. */
export const STATE_DIALLING = 2

/** Clients with open connections, or seen within the last second, at most: some 16 MiB. What is beyond is not counted. */
const CLIENTS_KNOWN = 131_072

/** The kernel repeats an unanswered SYN after one second (RFC 6298 section 2.1). */
const SYN_RETRANSMIT_MS = 1000

/**
 * The edge: accepts clients, dials a gateway for each, keeps the client's first bytes until a gateway has accepted them.
 */
export class EdgeRelay extends Relay<EdgeConnection> {
  /** Clients that were reset because no gateway would take them. */
  gaveUp = 0
  /** Clients that were reset at once, by the limit that they had reached. */
  readonly limited: Record<string, number> = {}
  redials = Array.from<number>({length: OUTCOMES.length}).fill(0)
  private services: readonly EdgeService[]
  private readonly clients = new Meters<number | string>(CLIENTS_KNOWN)
  /** Of the client that is being accepted. */
  private readonly source = Buffer.alloc(16)
  private readonly early: EarlyBytes
  private readonly preamble = new Preamble()
  private readonly bindFar = (fd: number, remote: Buffer): number => this.replicator?.bindFar(fd, remote) ?? 0

  constructor(
    loop: EpollLoop,
    log: RateLimitedLog,
    private config: EdgeConfig,
    gateways: readonly EdgeGateway[],
    private readonly dialer: EdgeDialer,
    private readonly instance: EdgeInstance,
    private keys: PreambleKeys,
  ) {
    super(loop, log, config.limits)
    this.early = new EarlyBytes(this.loop, this.slabs, this.transfer, instance)
    this.services = servicesOf(config, gateways, [])
  }

  /**
   * New connections go by this; those that are open keep the service that they came by, with its gateways and origin.
   *
   * @param gateways in the order of `config.gateways`
   * @param fresh listening sockets by the index of their service; services without one have theirs
   */
  apply(config: EdgeConfig, gateways: readonly EdgeGateway[], fresh: ReadonlyMap<number, number>): void {
    const kept: Listener[] = []
    for (const listener of this.listeners) {
      const {listen} = this.services[listener.index].config
      const index = config.services.findIndex((service, at) => !fresh.has(at) && sameAddress(service.listen, listen))
      if (index === -1) listener.close()
      else kept.push(listener)
    }

    const old = this.services
    for (const listener of kept) {
      const {listen} = old[listener.index].config
      listener.index = config.services.findIndex((service) => sameAddress(service.listen, listen))
    }

    this.services = servicesOf(config, gateways, old)
    this.config = config
    this.listeners = [...kept, ...[...fresh].map(([index, fd]) => new Listener(this.loop, this, this.log, fd, index))]
    this.applyLimits(config.limits)
  }

  /** New dials use these; the replies of older ones are checked with the key that they were made with. */
  useKeys(keys: PreambleKeys): void {
    this.keys = keys
  }

  override accepted(fd: number, listener: Listener, peer: Buffer): void {
    const service = this.services[listener.index]
    const sourcePort = readSockaddr(peer, this.source, 0)
    const client = this.clients.of(clientKey(this.source), this.config.clientLimit, this.loop.now)
    const reached = this.limitReached(client, service)
    if (reached !== null) {
      this.turnAway(fd, service, reached)
      return
    }

    const connection = this.open(fd)
    connection.state = STATE_DIALLING
    connection.service = service
    connection.client = client
    this.source.copy(connection.source)
    connection.sourcePort = sourcePort
    connection.counter = this.instance.nextCounter()
    connection.history.clear()
    connection.challenged = false
    connection.earlyLength = 0
    connection.connectDeadline = this.loop.now + this.config.connectTimeoutMs
    const {near} = connection
    const {generation} = near
    if (this.replicator !== null && !this.replicator.open(connection)) {
      this.disown(connection)
      return
    }

    near.held = this.slabs.small.take()
    // What the client has sent already leaves together with the preamble.
    if (!this.early.read(connection)) {
      this.broken(connection)
      return
    }

    this.dial(connection, firstDial(connection.history, connection.service.gateways, this.config, this.loop.now))
    if (near.generation === generation) this.loop.watch(near)
  }

  override adopt(flow: AdoptedFlow): EdgeConnection | null {
    const {near, far} = flow
    const service = this.services.find(({config: {listen}}) => sameEndpoint(listen, near.local))
    if (service === undefined) return null
    const connection = this.open(flow.nearFd)
    this.counters.accepted--
    connection.service = service
    near.remote.address.copy(connection.source)
    service.meter.adopt()
    connection.client = this.clients.of(clientKey(near.remote.address), this.config.clientLimit, this.loop.now)
    connection.client?.adopt()
    connection.sourcePort = near.remote.port
    connection.counter = this.instance.nextCounter()
    connection.history.clear()
    connection.challenged = false
    connection.earlyLength = 0
    connection.replyLength = 0
    connection.dialledAt = performance.now()
    connection.farKnown = far !== null
    connection.connectDeadline = this.loop.now + this.config.connectTimeoutMs
    this.adoptSides(connection, flow)
    const [up, down] = flow.streams
    if (far !== null && down.end > 0) {
      connection.state = STATE_RELAYING
      return this.resendBoth(connection, far, flow) ? connection : this.abandon(connection)
    }

    connection.state = STATE_DIALLING
    if (up.base > 0 || !this.early.adopt(connection, up.pending)) return this.abandon(connection)
    return far === null || this.adoptDial(connection, far) ? connection : this.abandon(connection)
  }

  override carryOn(connection: EdgeConnection): void {
    const {near, far} = connection
    const {generation} = near
    if (connection.state === STATE_RELAYING) {
      connection.flow!.farOpen = true
      this.startRelaying(connection)
      this.loop.watch(near)
      this.loop.watch(far)
      this.transfer.move(near)
      if (near.generation === generation) this.transfer.move(far)
      return
    }

    if (far.fd < 0) {
      this.dial(connection, firstDial(connection.history, connection.service.gateways, this.config, this.loop.now))
    } else if (this.sendEarly(connection)) {
      this.loop.watch(far)
      this.armConfirmation(connection)
    }

    if (near.generation === generation) this.loop.watch(near)
  }

  override flowReady(connection: EdgeConnection): void {
    if (connection.state === STATE_DIALLING) this.sendEarly(connection)
  }

  override openingBytes(connection: EdgeConnection): Buffer {
    return connection.state === STATE_DIALLING && connection.near.held !== null
      ? this.early.bytesOf(connection)
      : NOTHING
  }

  protected override close(connection: EdgeConnection, withReset: boolean): void {
    if (connection.state !== STATE_CLOSED) {
      connection.service.meter.release()
      connection.client?.release()
      connection.client = null
    }

    super.close(connection, withReset)
  }

  /** The limit that one more connection would exceed, or null: then it is counted. */
  private limitReached(client: Meter | null, service: EdgeService): string | null {
    const {now} = this.loop
    const own = client?.admit(this.config.clientLimit, now) ?? Admission.Granted
    if (own !== Admission.Granted) return own === Admission.TooMany ? 'client-connections' : 'client-rate'
    const all = service.meter.admit(service.config.limit, now)
    if (all === Admission.Granted) return null
    client?.release()
    return all === Admission.TooMany ? 'service-connections' : 'service-rate'
  }

  /**
   * Nobody has authenticated: an RST, no memory, one count. In a pair silence: the client's next retransmission asks
   * again, since a keyed SYN/ACK stays good until its connection is made.
   */
  private turnAway(fd: number, {config: {name}}: EdgeService, reached: string): void {
    this.limited[reached] = (this.limited[reached] ?? 0) + 1
    this.log.warning('limited', () => `service ${name}: a client was turned away: ${reached}`)
    if (this.replicator === null) closeWithReset(fd)
    else this.replicator.discard(fd)
  }

  protected override make(): EdgeConnection {
    return new EdgeConnection(this)
  }

  protected override openingReady(connection: EdgeConnection, side: Side, mask: number): void {
    if (side === connection.near) {
      if (side.failed || ((mask & READABLE) !== 0 && !this.early.read(connection))) this.broken(connection)
      else if ((mask & READABLE) !== 0) this.sendEarly(connection)
      return
    }

    if (connection.flow !== null && !connection.farKnown) {
      this.farDialled(connection, mask)
      return
    }

    if ((mask & READABLE) !== 0) {
      const {generation} = side
      this.readReplyBytes(connection)
      if (side.generation !== generation || connection.state !== STATE_DIALLING) return
    }

    if ((mask & EPOLLOUT) !== 0) this.sendEarly(connection)
  }

  protected override openingDeadline(connection: EdgeConnection): void {
    const {now} = this.loop
    if (now >= connection.connectDeadline) {
      this.giveUp(connection, 'connect timeout')
      return
    }

    if (gatewayHasAcknowledged(connection)) {
      this.loop.timers.arm(connection.timer, connection.connectDeadline)
      return
    }

    const {gateways} = connection.service
    const step = nextDial(connection.history, connection.step, Outcome.Silent, gateways, this.config, now)
    if (step === STAY) {
      this.loop.timers.arm(connection.timer, connection.connectDeadline)
      return
    }

    if (step === WAIT) {
      this.armConfirmation(connection)
      return
    }

    this.noteFailure(connection, Outcome.Silent)
    this.redial(connection, step, Outcome.Silent)
  }

  private dial(connection: EdgeConnection, step: number): void {
    if (step === GIVE_UP) {
      this.giveUp(connection, 'no gateway left')
      return
    }

    const gateway = connection.service.gateways[gatewayOf(step)]
    const handshake = handshakeOf(step)
    connection.step = step
    connection.connected = false
    connection.replyLength = 0
    // Before connect(), so that nothing stands between it and the first send.
    this.early.place(connection, gateway, this.keys.current)
    connection.dialledAt = performance.now()
    gateway.dials[handshake]++
    const fd = this.dialer.open(gateway, handshake, this.bindFar)
    if (fd < 0) {
      this.openFailed(connection, -fd)
      return
    }

    const {far} = connection
    this.loop.assign(far, fd)
    far.writable = true
    const {generation} = far
    if (connection.flow !== null) {
      connection.farKnown = false
      // A zero-RTT handshake is over already; of another one an event tells.
      if (handshake === ZERO_RTT) this.farConnected(connection)
    }

    if (!this.sendEarly(connection)) return
    if (far.generation !== generation) return
    this.loop.watch(far)
    this.armConfirmation(connection)
  }

  private armConfirmation(connection: EdgeConnection): void {
    const {health} = connection.service.gateways[gatewayOf(connection.step)]
    const extra = handshakeOf(connection.step) === ZERO_RTT ? 0 : SYN_RETRANSMIT_MS
    connection.confirmDeadline = this.loop.now + this.config.confirmTimeoutMs + 2 * health.rttMs + extra
    this.loop.timers.arm(connection.timer, Math.min(connection.confirmDeadline, connection.connectDeadline))
  }

  /** A dial of the server before us whose answer has not come: its preamble is sent again with what follows it. */
  private adoptDial(connection: EdgeConnection, {record, heads}: FarLeg): boolean {
    const gateway = connection.service.gateways.findIndex(({endpoint}) => sameEndpoint(endpoint, record.remote))
    const [preamble] = heads
    const parsed = parsePreamble(preamble, 0, preamble.length, this.preamble)
    const key = parsed === preamble.length ? keyOf(this.keys, this.preamble.keyId) : null
    if (gateway === -1 || key === null) return false
    connection.step = stepOf(gateway, ORDINARY)
    connection.key = key
    preamble.copy(connection.preambleMac, 0, this.preamble.macAt, this.preamble.macAt + MAC_LENGTH)
    connection.connected = true
    connection.dialledAt = performance.now()
    this.early.replace(connection, preamble)
    return true
  }

  /** No socket came about. */
  private openFailed(connection: EdgeConnection, error: number): void {
    if (error === EMFILE || error === ENFILE || error === ENOBUFS || error === ENOMEM) {
      this.log.error(
        'no-socket',
        () => 'no descriptor or memory is left for a middle leg; the client is reset',
        () => this.flow(connection),
      )
      this.giveUp(connection, 'no socket')
      return
    }

    this.failed(connection, Outcome.Refused)
  }

  /** An event of a far leg that the replication plane does not know yet. */
  private farDialled(connection: EdgeConnection, mask: number): void {
    const {far} = connection
    if (far.failed) this.failed(connection, outcomeOf(connection, takeSocketError(far.fd)))
    else if ((mask & EPOLLOUT) !== 0 && this.farConnected(connection)) this.sendEarly(connection)
  }

  private farConnected(connection: EdgeConnection): boolean {
    const heads: [Buffer, Buffer] = [this.early.preambleOf(connection), NOTHING]
    connection.farKnown = this.replicator!.dialled(connection, [0, REPLY_LENGTH], heads)
    return connection.farKnown
  }

  /** Sends preamble and early bytes; false when this dial has failed or the connection is gone. */
  private sendEarly(connection: EdgeConnection): boolean {
    if (connection.flow !== null && !connection.flow.ready) return true
    const {near, far} = connection
    while (near.heldLength > 0 && far.writable) {
      const flags = near.ended ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL
      const sent = sys.send(far.fd, near.heldAt, near.heldLength, flags)
      if (sent < 0) {
        const error = errno()
        if (error !== EAGAIN) {
          this.failed(connection, outcomeOf(connection, error))
          return false
        }

        far.writable = false
        return true
      }

      if (!connection.connected) this.noteConnected(connection)
      near.heldAt += sent
      near.heldLength -= sent
      if (near.heldLength > 0) far.writable = false
    }

    if (near.ended && near.heldLength === 0 && !far.shut) {
      far.shut = true
      if (connection.flow !== null) this.replicator!.permitFin(near)
      shutdownWrite(far.fd)
    }

    return true
  }

  private noteConnected(connection: EdgeConnection): void {
    connection.connected = true
    const gateway = connection.service.gateways[gatewayOf(connection.step)]
    gateway.connectMs[handshakeOf(connection.step)].add(performance.now() - connection.dialledAt)
  }

  private readReplyBytes(connection: EdgeConnection): void {
    const {far, near, replyLength} = connection
    const {buffer} = this.transfer
    const first = replyLength === 0
    const slab = near.held as Slab
    const asked = first ? READ_LENGTH : REPLY_LENGTH - replyLength
    const length = sys.recv(far.fd, first ? buffer.address : slab.address + replyLength, asked, 0)
    if (length < 0) {
      const error = errno()
      if (error === EAGAIN) far.readable = false
      else this.failed(connection, outcomeOf(connection, error))
      return
    }

    if (length === 0) {
      this.failed(connection, gatewayHasAcknowledged(connection) ? Outcome.ResetAfterAck : Outcome.Reset)
      return
    }

    if (first && length >= REPLY_LENGTH) {
      this.transfer.noteRead(far, buffer.bytes, 0, length, READ_LENGTH)
      this.answered(connection, buffer.bytes, length)
      return
    }

    if (first) buffer.bytes.copy(slab.bytes, 0, 0, length)
    connection.replyLength += length
    if (connection.replyLength === REPLY_LENGTH) this.answered(connection, slab.bytes, REPLY_LENGTH)
    else this.readReplyBytes(connection)
  }

  /** The reply is complete; `length` bytes lie in `bytes`, those after the reply are the origin's. */
  private answered(connection: EdgeConnection, bytes: Buffer, length: number): void {
    const status = readReply(bytes, 0, connection.key, connection.preambleMac)
    if (status === ReplyStatus.Accepted) {
      this.confirmed(connection, bytes, length)
      return
    }

    const gateway = connection.service.gateways[gatewayOf(connection.step)]
    if (status === ReplyStatus.Challenge) {
      copyChallenge(bytes, 0, connection.challenge)
      connection.challenged = true
      this.failed(connection, Outcome.Challenge)
    } else if (status === ReplyStatus.Refused) {
      const reason = replyReason(bytes, 0)
      this.log.warning(
        'refused',
        () =>
          `gateway ${gateway.name} refused a connection to ${formatEndpoint(connection.service.config.origin)}: ${REFUSALS[reason] ?? reason}`,
        () => this.flow(connection),
      )
      this.failed(connection, reason === Refusal.Duplicate ? Outcome.Duplicate : Outcome.Declined)
    } else {
      this.log.error(
        'forged-reply',
        () => `gateway ${gateway.name} sent a reply that does not fit our key`,
        () => this.flow(connection),
      )
      this.failed(connection, Outcome.ResetAfterAck)
    }
  }

  /** The gateway has accepted: from here on bytes flow, and no other gateway is tried. */
  private confirmed(connection: EdgeConnection, bytes: Buffer, length: number): void {
    const {near, far} = connection
    const rest = length - REPLY_LENGTH
    if (connection.flow !== null) {
      // The reply is of the far leg's stream too, so that it is acknowledged when the backup has it.
      connection.flow.farOpen = true
      far.received = length
      this.replicator!.received(far, bytes, 0, length)
      if (far.ended) this.replicator!.ended(far)
    }

    const gateway = connection.service.gateways[gatewayOf(connection.step)]
    gateway.accepted[handshakeOf(connection.step)]++
    if (handshakeOf(connection.step) === ZERO_RTT) gateway.health.servedZeroRtt(this.loop.now)
    gateway.confirmedMs.add(performance.now() - connection.dialledAt)
    if (gateway.health.succeeded()) this.log.info('gateway-up', () => `gateway ${gateway.name} is up`)
    if (near.heldLength === 0) this.transfer.drop(near)
    this.startRelaying(connection)
    const {generation} = near
    if (rest > 0 && !this.transfer.deliver(far, this.transfer.buffer, REPLY_LENGTH, rest)) return
    if (far.readable || far.ended) this.transfer.move(far)
    if (near.generation === generation) this.transfer.move(near)
  }

  private failed(connection: EdgeConnection, outcome: number): void {
    const {service, step, history} = connection
    this.noteFailure(connection, outcome)
    this.redial(connection, nextDial(history, step, outcome, service.gateways, this.config, this.loop.now), outcome)
  }

  private noteFailure(connection: EdgeConnection, outcome: number): void {
    const {step} = connection
    const gateway = connection.service.gateways[gatewayOf(step)]
    gateway.failures[outcome]++
    if (outcome === Outcome.Reset && handshakeOf(step) === ZERO_RTT) {
      gateway.health.blockZeroRtt(this.loop.now)
      this.log.warning('zero-rtt-reset', () => `gateway ${gateway.name} answered a zero-RTT handshake with an RST`)
      return
    }

    if (outcome > Outcome.Silent) return
    if (gateway.health.failed()) {
      this.log.warning('gateway-down', () => `gateway ${gateway.name} is ${gateway.health.state}: ${OUTCOMES[outcome]}`)
    }
  }

  /** Drops the dial that failed and takes the next step, with the same early bytes. */
  private redial(connection: EdgeConnection, step: number, outcome: number): void {
    const {near, far} = connection
    if (connection.flow !== null && far.fd >= 0) this.replicator!.redial(connection)
    this.closeSide(far, outcome !== Outcome.Challenge)
    near.heldLength = 0
    if (step < 0) {
      this.giveUp(connection, OUTCOMES[outcome])
      return
    }

    if (this.loop.now >= connection.connectDeadline) {
      this.giveUp(connection, 'connect timeout')
      return
    }

    this.redials[outcome]++
    // A challenge belongs to the gateway that gave it.
    if (outcome !== Outcome.Challenge) connection.challenged = false
    this.dial(connection, step)
  }

  private giveUp(connection: EdgeConnection, why: string): void {
    this.gaveUp++
    this.log.warning(
      'gave-up',
      () => `service ${connection.service.config.name}: a client was reset: ${why}`,
      () => this.flow(connection),
    )
    this.close(connection, true)
  }

  private flow({counter}: EdgeConnection): string {
    return flowId(this.instance.name, counter)
  }
}

/** @param old services whose counts go on */
function servicesOf(config: EdgeConfig, gateways: readonly EdgeGateway[], old: readonly EdgeService[]): EdgeService[] {
  return config.services.map((service) => ({
    config: service,
    gateways: service.gateways.map((index) => gateways[index]),
    origin: addressBytes(service.origin.address),
    meter: old.find((other) => sameAddress(other.config.listen, service.listen))?.meter ?? new Meter(),
  }))
}

/** True when the gateway's kernel has taken at least one byte of ours; the SYN counts one. */
function gatewayHasAcknowledged(connection: EdgeConnection): boolean {
  return connection.far.fd >= 0 && readTcpInfo(connection.far.fd) && tcpInfo.bytesAcked > 1
}

function outcomeOf(connection: EdgeConnection, error: number): number {
  if (error === ETIMEDOUT) return Outcome.Silent
  // A zero-RTT connection is there before the gateway knows of it: its RST may come before anything was sent.
  const unseen = handshakeOf(connection.step) === ZERO_RTT && (error === ECONNRESET || error === EPIPE)
  if (!connection.connected && unseen) return Outcome.Reset
  // ECONNREFUSED is an RST to our SYN; no other error can follow a delivery unseen.
  if (error === ECONNREFUSED || !connection.connected) return Outcome.Refused
  return gatewayHasAcknowledged(connection) ? Outcome.ResetAfterAck : Outcome.Reset
}
