import {EAGAIN, ECONNREFUSED, errnoName} from '../kernel/errno.js'
import {allocate, errno, sys} from '../kernel/libc.js'
import {SOCKADDR_LENGTH, familyOf, writeSockaddr} from '../kernel/sockaddr.js'
import {EPOLLOUT, MSG_MORE, MSG_NOSIGNAL} from '../kernel/socket-constants.js'
import {shutdownWrite, startConnectTo, takeSocketError, tcpSocket} from '../kernel/tcp-socket.js'
import {formatAddress, formatEndpoint} from '../wire/endpoint.js'
import {MAC_LENGTH, Preamble, parsePreamble} from '../wire/preamble.js'
import {MALFORMED} from '../wire/proxy-protocol.js'
import {REFUSALS, REPLY_LENGTH, Refusal, ReplyStatus, writeReply} from '../wire/reply.js'
import {ClockOffsets} from './clock-offsets.js'
import {READABLE, STATE_RELAYING, type Connection, type Side} from './connection.js'
import type {EpollLoop} from './epoll-loop.js'
import {
  GatewayConnection,
  STATE_ANSWERING,
  STATE_CONNECTING,
  STATE_HOLDING,
  STATE_PARTING,
  STATE_PREAMBLE,
  gatewayFlowId,
} from './gateway-connection.js'
import {LatencyHistogram} from './latency-histogram.js'
import type {Listener} from './listener.js'
import {Admission, Meters, originKey} from './meter.js'
import {OriginAllowList} from './origin-allow-list.js'
import {PendingList} from './pending-list.js'
import {CHALLENGED, PreambleGate} from './preamble-gate.js'
import type {GatewayConfig, PreambleKeys} from './process-config.js'
import type {RateLimitedLog} from './rate-limited-log.js'
import {Relay} from './relay.js'
import {sameEndpoint, type AdoptedFlow} from './replicator.js'
import type {ReplayFile} from './replay-file.js'
import type {Slab} from './slab-pool.js'
import {READ_LENGTH} from './transfer.js'

const NOTHING = Buffer.alloc(0)

/** The reply waits so long for the origin's first byte, ms; then it goes alone, so that the edge stops keeping bytes. */
const ANSWER_DELAY_MS = 50

/** Once so many client bytes are with the origin, the reply goes at once: the edge keeps 64 KiB at most. */
const ANSWER_BYTES = 8192

/** Origins with open connections, or dialled within the last second, at most. What is beyond is not counted. */
const ORIGINS_KNOWN = 16_384

/** How long a refused edge may take to close, ms. */
const PARTING_MS = 2000

/** The gateway: checks each edge's preamble, connects to the origin it names, passes bytes both ways. */
export class GatewayRelay extends Relay<GatewayConnection> {
  /** Connections closed without a reply, by reason: nobody who holds a key sends these. */
  readonly unauthenticated = new Map<string, number>()
  readonly refused = Array.from<number>({length: REFUSALS.length}).fill(0)
  /** Connections that were refused because an origin's limit was reached, by which. */
  readonly limited: Record<string, number> = {}
  challenges = 0
  healthChecks = 0
  served = 0
  readonly originConnectMs = new LatencyHistogram()
  readonly clockOffsets = new ClockOffsets()
  private allowList: OriginAllowList
  private readonly preamble = new Preamble()
  private readonly sockaddr = allocate(SOCKADDR_LENGTH)
  private readonly gate: PreambleGate
  private readonly origins = new Meters<string>(ORIGINS_KNOWN)
  private readonly pending = new PendingList<GatewayConnection>()
  private draining = false

  constructor(
    loop: EpollLoop,
    log: RateLimitedLog,
    private config: GatewayConfig,
    replay: ReplayFile,
    keys: PreambleKeys,
  ) {
    super(loop, log, config.limits)
    this.allowList = new OriginAllowList(config.allowOrigins, 'allowOrigins')
    this.gate = new PreambleGate(config, replay, keys)
  }

  useKeys(keys: PreambleKeys): void {
    this.gate.keys = keys
  }

  /** New connections and dials go by this; listeners stay as they are. */
  apply(config: GatewayConfig): void {
    this.allowList = new OriginAllowList(config.allowOrigins, 'allowOrigins')
    this.config = config
    this.applyLimits(config.limits)
  }

  get pendingCount(): number {
    return this.pending.length
  }

  override accepted(fd: number, listener: Listener, _peer: Buffer): void {
    const {oldest, length} = this.pending
    if (oldest !== null && length >= this.config.maxPending) this.reject(oldest, 'too-many-pending')
    const connection = this.open(fd)
    connection.state = STATE_PREAMBLE
    connection.listener = listener.index
    connection.preambleLength = 0
    this.pending.add(connection)
    const {near} = connection
    const {generation} = near
    this.readPreamble(connection)
    if (near.generation !== generation) return
    this.loop.watch(near)
    if (connection.state === STATE_PREAMBLE) {
      this.loop.timers.arm(connection.timer, this.loop.now + this.config.preambleTimeoutMs)
    }
  }

  override drain(drained: () => void): void {
    this.draining = true
    super.drain(drained)
  }

  override broken(connection: Connection): void {
    const {state, near} = connection
    if ((state === STATE_CONNECTING || state === STATE_HOLDING) && !near.failed) {
      // The send that went with the connect came back: the edge may try elsewhere.
      this.originFailed(connection as GatewayConnection, ECONNREFUSED)
      return
    }

    // An origin that resets before its first byte has accepted the connection all the same: the edge must know.
    if (state === STATE_ANSWERING) this.sendReply(connection as GatewayConnection)
    super.broken(connection)
  }

  override adopt(flow: AdoptedFlow): GatewayConnection | null {
    const listener = this.config.listen.findIndex((endpoint) => sameEndpoint(endpoint, flow.near.local))
    if (listener === -1) return null
    const connection = this.open(flow.nearFd)
    this.counters.accepted--
    connection.listener = listener
    connection.counter = 0
    this.adoptSides(connection, flow)
    if (flow.far !== null) {
      connection.preambleEnd = flow.far.skips[0]
      connection.connectStarted = performance.now()
      const {address, port} = flow.far.record.remote
      connection.origin = this.origins.of(originKey(address, port), this.config.originLimit, this.loop.now)
      connection.origin?.adopt()
      connection.state = STATE_RELAYING
      return this.resendBoth(connection, flow.far, flow) ? connection : this.abandon(connection)
    }

    // The origin is dialled anew, by the preamble that the edge sent first of all.
    connection.state = STATE_PREAMBLE
    const {near} = connection
    const [{base, end, pending}] = flow.streams
    const slab = this.slabs.small.take()
    near.held = slab
    connection.preambleLength = 0
    this.pending.add(connection)
    if (base > 0 || end > slab.size) return this.abandon(connection)
    for (const part of pending) connection.preambleLength += part.copy(slab.bytes, connection.preambleLength)
    return connection
  }

  override carryOn(connection: GatewayConnection): void {
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

    this.loop.watch(near)
    this.loop.timers.arm(connection.timer, this.loop.now + this.config.preambleTimeoutMs)
    this.examine(connection, near.held as Slab)
  }

  override flowReady(connection: GatewayConnection): void {
    const {state, near, far} = connection
    if (state !== STATE_HOLDING) return
    const {generation} = near
    this.startAnswering(connection)
    if (far.readable) this.firstBytes(connection)
    if (near.generation === generation && connection.state === STATE_ANSWERING) this.passOn(connection)
  }

  override openingBytes({state, near, preambleLength}: GatewayConnection): Buffer {
    const opening = state === STATE_CONNECTING || state === STATE_HOLDING
    return opening ? (near.held as Slab).bytes.subarray(0, preambleLength) : NOTHING
  }

  protected override make(): GatewayConnection {
    return new GatewayConnection(this)
  }

  protected override close(connection: GatewayConnection, withReset: boolean): void {
    if (connection.state === STATE_PREAMBLE) this.pending.remove(connection)
    this.leaveOrigin(connection)
    this.giveBackNonce(connection)
    super.close(connection, withReset)
  }

  protected override openingReady(connection: GatewayConnection, side: Side, mask: number): void {
    switch (connection.state) {
      case STATE_PREAMBLE: {
        this.readPreamble(connection)
        return
      }

      case STATE_PARTING: {
        this.discard(connection)
        return
      }

      default: {
        if (side === connection.near) this.nearReady(connection)
        else this.originReady(connection, mask)
      }
    }
  }

  protected override openingDeadline(connection: GatewayConnection): void {
    switch (connection.state) {
      case STATE_PREAMBLE: {
        this.reject(connection, 'timeout')
        return
      }

      case STATE_CONNECTING: {
        this.log.warning(
          'origin',
          () => 'an origin did not answer in time',
          () => gatewayFlowId(connection),
        )
        this.refuse(connection, Refusal.OriginUnreachable)
        return
      }

      case STATE_ANSWERING: {
        this.answer(connection)
        return
      }

      default: {
        this.close(connection, true)
      }
    }
  }

  private readPreamble(connection: GatewayConnection): void {
    const {near} = connection
    const slab = near.held ?? this.slabs.small.take()
    near.held = slab
    const at = connection.preambleLength
    const length = sys.recv(near.fd, slab.address + at, slab.size - at, 0)
    if (length < 0) {
      if (errno() === EAGAIN) {
        near.readable = false
        // A peer that says nothing costs no slab.
        if (at === 0) this.transfer.drop(near)
      } else {
        this.reject(connection, 'reset')
      }

      return
    }

    if (length === 0) {
      this.reject(connection, 'closed')
      return
    }

    this.transfer.noteRead(near, slab.bytes, at, length, slab.size - at)
    connection.preambleLength += length
    this.examine(connection, slab)
  }

  /** Is the preamble complete? */
  private examine(connection: GatewayConnection, slab: Slab): void {
    const {near} = connection
    const total = parsePreamble(slab.bytes, 0, connection.preambleLength, this.preamble)
    if (total < 0) this.reject(connection, MALFORMED[-total])
    else if (total > 0) this.check(connection, slab, total)
    else if (near.ended) this.reject(connection, 'truncated')
  }

  /** The preamble is complete: is it genuine, for us, and new? */
  private check(connection: GatewayConnection, slab: Slab, total: number): void {
    const {preamble, gate} = this
    const {now, unixNow} = this.loop
    const key = gate.authenticate(slab.bytes, preamble)
    if (typeof key === 'string') {
      this.reject(connection, key)
      return
    }

    this.pending.remove(connection)
    this.loop.timers.cancel(connection.timer)
    connection.state = STATE_CONNECTING
    connection.key = key
    slab.bytes.copy(connection.preambleMac, 0, preamble.macAt, preamble.macAt + MAC_LENGTH)
    const verdict = gate.admit(slab.bytes, preamble, connection.near.fd, connection.listener, now)
    if (verdict === CHALLENGED) {
      this.challenges++
      this.part(connection, ReplyStatus.Challenge, Refusal.None, gate.challenge(slab.bytes, preamble, now))
      return
    }

    if (verdict !== Refusal.None) {
      this.refuse(connection, verdict)
      return
    }

    connection.instanceHigh = preamble.instanceHigh
    connection.instanceLow = preamble.instanceLow
    connection.counter = preamble.counter

    this.clockOffsets.note(preamble, unixNow)
    if (!preamble.local) {
      this.serve(connection, slab, total)
      return
    }

    this.healthChecks++
    if (this.draining) this.refuse(connection, Refusal.Draining)
    else this.part(connection, ReplyStatus.Accepted, Refusal.None, null)
  }

  /** Connects to the origin; what the client has sent already goes with the connect. */
  private serve(connection: GatewayConnection, slab: Slab, total: number): void {
    const {header} = this.preamble
    const {near, far} = connection
    if (!this.allowList.allows(header.destination, header.destinationPort)) {
      const origin = {address: formatAddress(header.destination), port: header.destinationPort}
      this.log.warning(
        'origin-not-allowed',
        () => `origin ${formatEndpoint(origin)} is not on the allow-list`,
        () => gatewayFlowId(connection),
      )
      this.refuse(connection, Refusal.OriginNotAllowed)
      return
    }

    const reached = this.originLimitReached(connection, header.destination, header.destinationPort)
    if (reached !== null) {
      this.limited[reached] = (this.limited[reached] ?? 0) + 1
      this.log.warning(
        'limited',
        () => {
          const origin = {address: formatAddress(header.destination), port: header.destinationPort}
          return `origin ${formatEndpoint(origin)}: a connection was refused: ${reached}`
        },
        () => gatewayFlowId(connection),
      )
      this.refuse(connection, Refusal.TooManyConnections)
      return
    }

    writeReply(connection.reply, 0, ReplyStatus.Accepted, Refusal.None, null, connection.key, connection.preambleMac)
    near.heldAt = slab.address + total
    near.heldLength = connection.preambleLength - total
    connection.preambleEnd = total
    // The backup is told of the preamble too: until then it stays.
    if (near.heldLength === 0 && this.replicator === null) this.transfer.drop(near)
    connection.connectStarted = performance.now()
    const fd = tcpSocket(familyOf(header.destination))
    if (fd < 0) {
      this.log.error(
        'no-socket',
        () => `no socket for an origin: ${errnoName(errno())}`,
        () => gatewayFlowId(connection),
      )
      this.refuse(connection, Refusal.TooManyConnections)
      return
    }

    const length = writeSockaddr(this.sockaddr.bytes, header.destination, 0, header.destinationPort)
    const bound = this.replicator?.bindFar(fd, header.destination) ?? 0
    const error = bound || startConnectTo(fd, this.sockaddr.address, length)
    this.loop.assign(far, fd)
    if (error !== 0) {
      this.originFailed(connection, error)
      return
    }

    this.served++
    // On short ways the origin is connected already; a send tells, and saves a turn.
    if (this.replicator !== null) {
      if (connection.flow === null && !this.replicate(connection, slab)) return
    } else if (near.heldLength > 0) {
      far.writable = true
      const {generation} = far
      this.transfer.move(near)
      if (far.generation !== generation) return
      if (near.heldLength === 0) {
        this.originConnected(connection)
        this.passOn(connection)
        if (far.generation !== generation) return
      }
    }

    this.loop.watch(far)
    if (connection.state === STATE_CONNECTING) {
      this.loop.timers.arm(connection.timer, this.loop.now + this.config.connectTimeoutMs)
    }
  }

  /** From here on the backup can carry the connection on, once it has the edge's bytes. */
  private replicate(connection: GatewayConnection, slab: Slab): boolean {
    const {near} = connection
    const replicator = this.replicator!
    if (!replicator.open(connection)) {
      this.disown(connection)
      return false
    }

    replicator.received(near, slab.bytes, 0, connection.preambleLength)
    if (near.ended) replicator.ended(near)
    return true
  }

  private originConnected(connection: GatewayConnection): void {
    this.originConnectMs.add(performance.now() - connection.connectStarted)
    if (connection.flow === null) {
      this.startAnswering(connection)
      return
    }

    this.loop.timers.cancel(connection.timer)
    connection.state = STATE_HOLDING
    const heads: [Buffer, Buffer] = [NOTHING, Buffer.from(connection.reply)]
    if (!this.replicator!.dialled(connection, [connection.preambleEnd, 0], heads)) {
      this.originFailed(connection, ECONNREFUSED)
    } else if (connection.flow.ready) {
      this.startAnswering(connection)
    }
  }

  private startAnswering(connection: GatewayConnection): void {
    const {near, flow} = connection
    if (flow !== null) flow.farOpen = true
    if (near.heldLength === 0) this.transfer.drop(near)
    connection.counter = -connection.counter
    connection.state = STATE_ANSWERING
    this.loop.timers.arm(connection.timer, this.loop.now + ANSWER_DELAY_MS)
  }

  private nearReady(connection: GatewayConnection): void {
    const {near} = connection
    if (near.failed) {
      this.broken(connection)
      return
    }

    if (connection.state !== STATE_ANSWERING) return
    this.passOn(connection)
  }

  /** Client bytes to the origin while the reply is owed. */
  private passOn(connection: GatewayConnection): void {
    const {near, far} = connection
    const {generation} = near
    if (near.readable || near.waiting > 0 || near.ended) this.transfer.move(near)
    if (near.generation !== generation || connection.state !== STATE_ANSWERING) return
    if (far.writable && near.received >= ANSWER_BYTES) this.answer(connection)
  }

  /** The limit that one more connection to an origin would exceed, or null: then it is counted. */
  private originLimitReached(connection: GatewayConnection, address: Buffer, port: number): string | null {
    const {originLimit} = this.config
    const {now} = this.loop
    const meter = this.origins.of(originKey(address, port), originLimit, now)
    const verdict = meter?.admit(originLimit, now) ?? Admission.Granted
    if (verdict !== Admission.Granted) return verdict === Admission.TooMany ? 'origin-connections' : 'origin-rate'
    connection.origin = meter
    return null
  }

  /** An edge that has given this dial up, and of which the origin has no byte, may come again with the same nonce. */
  private giveBackNonce(connection: GatewayConnection): void {
    const {counter, instanceHigh, instanceLow, near, preambleEnd, preambleLength} = connection
    if (counter <= 0) return
    connection.counter = -counter
    const passedOn = preambleLength - preambleEnd - near.heldLength
    if (passedOn === 0) this.gate.release(instanceHigh, instanceLow, counter)
  }

  private leaveOrigin(connection: GatewayConnection): void {
    connection.origin?.release()
    connection.origin = null
  }

  private originReady(connection: GatewayConnection, mask: number): void {
    const {near, far} = connection
    const {generation} = near
    if (connection.state === STATE_CONNECTING) {
      if (far.failed) {
        this.originFailed(connection, takeSocketError(far.fd))
        return
      }

      if ((mask & EPOLLOUT) === 0) return
      this.originConnected(connection)
      if (near.generation !== generation) return
    }

    if (connection.state === STATE_HOLDING || connection.state === STATE_PARTING) {
      if (connection.state === STATE_HOLDING && far.failed) this.originFailed(connection, takeSocketError(far.fd))
      return
    }

    if ((mask & READABLE) !== 0) this.firstBytes(connection)
    if (near.generation !== generation) return
    if (connection.state === STATE_ANSWERING) this.passOn(connection)
    else if ((mask & EPOLLOUT) !== 0) this.transfer.move(near)
  }

  /** The origin's first bytes, or its FIN: the reply goes in front, in the same send. */
  private firstBytes(connection: GatewayConnection): void {
    const {far} = connection
    const {buffer} = this.transfer
    const asked = READ_LENGTH - REPLY_LENGTH
    const length = sys.recv(far.fd, buffer.address + REPLY_LENGTH, asked, 0)
    if (length < 0) {
      if (errno() === EAGAIN) far.readable = false
      else this.broken(connection)
      return
    }

    if (length === 0) this.transfer.noteEnd(far)
    else this.transfer.noteRead(far, buffer.bytes, REPLY_LENGTH, length, asked)
    connection.reply.copy(buffer.bytes, 0, 0, REPLY_LENGTH)
    this.startRelaying(connection)
    if (!this.transfer.deliver(far, buffer, 0, REPLY_LENGTH + length)) return
    this.transfer.move(far)
  }

  /** Sends the reply alone and lets bytes flow. */
  private answer(connection: GatewayConnection): void {
    const {near, far} = connection
    const {buffer} = this.transfer
    connection.reply.copy(buffer.bytes, 0, 0, REPLY_LENGTH)
    this.startRelaying(connection)
    const {generation} = near
    if (!this.transfer.deliver(far, buffer, 0, REPLY_LENGTH)) return
    this.transfer.move(far)
    if (near.generation === generation) this.transfer.move(near)
  }

  private sendReply(connection: GatewayConnection): void {
    sys.send(connection.near.fd, connection.replyAt, REPLY_LENGTH, MSG_NOSIGNAL)
  }

  private originFailed(connection: GatewayConnection, error: number): void {
    this.log.warning(
      'origin',
      () => `an origin cannot be reached: ${errnoName(error)}`,
      () => gatewayFlowId(connection),
    )
    this.refuse(connection, Refusal.OriginUnreachable)
  }

  private refuse(connection: GatewayConnection, reason: number): void {
    this.refused[reason]++
    this.part(connection, ReplyStatus.Refused, reason, null)
  }

  /** Sends a reply that is all this connection gets, then waits for the edge to close, so that it is not lost to an RST. */
  private part(connection: GatewayConnection, status: number, reason: number, challenge: Buffer | null): void {
    const {near, far, reply, replyAt} = connection
    // What is refused is not carried on by anybody.
    if (connection.flow !== null) this.replicator!.abort(connection)
    this.closeSide(far, true)
    this.leaveOrigin(connection)
    if (connection.flow !== null) this.replicator!.forget(connection)
    connection.flow = null
    this.replicator?.permitUnreplicated(near.fd)
    this.transfer.drop(near)
    writeReply(reply, 0, status, reason, challenge, connection.key, connection.preambleMac)
    sys.send(near.fd, replyAt, REPLY_LENGTH, MSG_NOSIGNAL | MSG_MORE)
    shutdownWrite(near.fd)
    connection.counter = 0
    connection.state = STATE_PARTING
    this.loop.timers.arm(connection.timer, this.loop.now + PARTING_MS)
    this.discard(connection)
  }

  private discard(connection: GatewayConnection): void {
    const {near} = connection
    for (let reads = 0; reads < 16; reads++) {
      if (near.ended) {
        this.close(connection, false)
        return
      }

      const length = sys.recv(near.fd, this.transfer.buffer.address, READ_LENGTH, 0)
      if (length < 0 && errno() === EAGAIN) return
      if (length < 0) {
        this.close(connection, false)
        return
      }

      if (length === 0) near.ended = true
    }

    // An edge that goes on sending after the reply has left would be read for nothing.
    this.close(connection, true)
  }

  /** Ends a connection that has not shown a good preamble: no reply, no memory, one count. */
  private reject(connection: GatewayConnection, reason: string): void {
    this.unauthenticated.set(reason, (this.unauthenticated.get(reason) ?? 0) + 1)
    if (reason !== 'closed' && reason !== 'reset') {
      this.log.warning('unauthenticated', () => `a connection without a good preamble was closed: ${reason}`)
    }

    this.close(connection, true)
  }
}
