import process from 'node:process'

import {receiveDescriptors} from '../kernel/descriptor-passing.js'
import {sys} from '../kernel/libc.js'
import {ControlCoordinator} from '../pair/control-coordinator.js'
import {FlowLag} from '../pair/flow-lag.js'
import type {PairNode} from '../pair/pair-node.js'
import {startPair} from '../pair/start-pair.js'
import {staticCoordinator} from '../replication/ownership.js'
import type {LinkKey, LinkKeys} from '../replication/link-setup.js'
import {formatEndpoint} from '../wire/endpoint.js'
import {PreambleKey} from '../wire/preamble.js'
import {ControlChannel} from './control-channel.js'
import {
  CONTROL_FD,
  FIRST_LISTENER_FD,
  type KeyJson,
  type KeysJson,
  type PairAction,
  type ToProcess,
} from './control-protocol.js'
import {EdgeDialer, EdgeGateway, EdgeInstance} from './edge-dialer.js'
import {EdgeFlowSource} from './edge-flow-source.js'
import {EdgeRelay} from './edge-relay.js'
import {EpollLoop} from './epoll-loop.js'
import {FlowFilter} from './flow-filter.js'
import {FlowScan} from './flow-scan.js'
import type {FlowQuery} from './flow-schema.js'
import type {FlowPair} from './flow-source.js'
import {GatewayFlowSource} from './gateway-flow-source.js'
import {GatewayRelay} from './gateway-relay.js'
import {HealthCheck, type HealthCheckParts} from './health-check.js'
import type {EdgeConfig, GatewayConfig, PreambleKeys, ProcessConfig} from './process-config.js'
import {
  edgeProcessStatus,
  gatewayProcessStatus,
  type EdgeProcessStatus,
  type GatewayProcessStatus,
} from './process-status.js'
import {RateLimitedLog} from './rate-limited-log.js'
import {ReplayFile} from './replay-file.js'
import {Timer} from './timer-wheel.js'

/** How long an edge process waits for the first health checks before it says that it is ready, ms. */
const FIRST_CHECKS_MS = 1000

/** An answer to a question for flows, part by part. */
type Answer = Pick<FlowScan<never>, 'cancel' | 'kept' | 'part'>

/** What the control messages are turned into. */
interface Role {
  readonly relay: EdgeRelay | GatewayRelay
  status(): EdgeProcessStatus | GatewayProcessStatus
  /** @param ready called when parts may be asked for */
  flows(query: FlowQuery, pair: FlowPair | null, ready: () => void): Answer
  useKeys(keys: PreambleKeys): void
  /** @param fresh listening sockets by the index of their service */
  apply(config: ProcessConfig, fresh: ReadonlyMap<number, number>): void
  drain(drained: () => void): void
  abortAll(): void
  /** Connections that were reset to come to an end. */
  aborted(): number
}

/**
 * The entry of a relay process. It waits for its configuration on the control stream, then serves until it is drained or
 * the supervisor is gone. The thread never returns to Node's event loop.
 */
class RelayProcess {
  private readonly loop = new EpollLoop()
  private readonly control: ControlChannel
  private readonly log: RateLimitedLog
  private role: Role | null = null
  private pair: PairNode | null = null
  /** To the last question for flows; null before one, and when it has not been found yet. */
  private answer: Answer | null = null
  /** By it come the sockets of services that are added later. */
  private handover = -1
  private readonly coordinator: ControlCoordinator

  constructor() {
    this.control = new ControlChannel(
      this.loop,
      CONTROL_FD,
      (message) => this.receive(message),
      () => process.exit(0),
    )
    const {control} = this
    this.coordinator = new ControlCoordinator((id, question) => control.send({type: 'coordinate', id, question}))
    this.log = new RateLimitedLog(
      (line) => this.control.send({type: 'log', line}),
      () => this.loop.now,
    )
  }

  run(): void {
    this.loop.run()
    this.control.send({type: 'drained', aborted: this.role?.aborted() ?? 0})
    process.exit(0)
  }

  private receive(message: ToProcess): void {
    switch (message.type) {
      case 'start': {
        this.start(message)
        break
      }

      case 'status': {
        if (!this.role) break
        const status = {...this.role.status(), pair: this.pair?.status() ?? null}
        this.control.send({type: 'status', id: message.id, status})
        break
      }

      case 'flows': {
        this.flows(message.id, message.query)
        break
      }

      case 'more-flows': {
        this.sendFlows(message.id)
        break
      }

      case 'keys': {
        this.role?.useKeys(readKeys(message.keys))
        this.pair?.useKeys(readLinkKeys(message.keys))
        this.control.send({type: 'keys', id: message.id})
        break
      }

      case 'apply': {
        this.control.send({type: 'applied', id: message.id, error: this.apply(message)})
        break
      }

      case 'pair': {
        this.control.send({type: 'pair', id: message.id, error: this.pairAction(message.action)})
        break
      }

      case 'coordinated': {
        this.coordinator.answered(message.id, message.epoch)
        break
      }

      case 'certain-until': {
        this.pair?.certainUntil(message.until)
        break
      }

      case 'drain': {
        this.drain(message.deadlineMs)
        break
      }

      case 'abort': {
        this.role?.abortAll()
        this.loop.stop()
        break
      }
    }
  }

  private flows(id: number, query: FlowQuery): void {
    if (!this.role) return
    this.answer?.cancel()
    const pair = this.pair === null ? null : new FlowLag(this.pair)
    this.answer = this.role.flows(query, pair, () => this.sendFlows(id))
  }

  private sendFlows(id: number): void {
    const begin = performance.now()
    this.control.send({type: 'flows', id, part: this.answer?.part() ?? null})
    this.answer?.kept(performance.now() - begin)
  }

  private start({config, keys, listeners, pairListener}: ToProcess & {type: 'start'}): void {
    this.handover = FIRST_LISTENER_FD + listeners + (pairListener ? 1 : 0)
    const fds = Array.from({length: listeners}, (_, index) => FIRST_LISTENER_FD + index)
    if (config.role === 'edge') this.startEdge(config, readKeys(keys), fds)
    else this.startGateway(config, readKeys(keys), fds)
    if (config.pair === null || this.role === null) return
    const coordinator = config.pair.etcd === null ? staticCoordinator : this.coordinator
    this.pair = startPair(this.loop, this.log, config.pair, readLinkKeys(keys), this.role.relay, coordinator)
    this.role.relay.replicateBy(this.pair.replicator)
    this.pair.start(pairListener ? FIRST_LISTENER_FD + listeners : null)
  }

  private startEdge(config: EdgeConfig, keys: PreambleKeys, listeners: number[]): void {
    const {loop, log} = this
    let gateways = config.gateways.map((endpoint) => new EdgeGateway(endpoint))
    const dialer = new EdgeDialer(config, log)
    const instance = new EdgeInstance()
    const relay = new EdgeRelay(loop, log, config, gateways, dialer, instance, keys)
    const parts: HealthCheckParts = {loop, log, dialer, instance, config, keys}
    const checks = new Map(gateways.map((gateway) => [gateway.name, new HealthCheck(parts, gateway)]))
    this.role = {
      relay,
      status: () => edgeProcessStatus(relay, gateways, loop.now),
      flows(query, pair, ready) {
        const source = new EdgeFlowSource(relay, instance, pair)
        const filter = new FlowFilter(query.filter)
        return new FlowScan(loop, source, query, (connection) => source.matches(connection, filter), ready)
      },
      useKeys(fresh) {
        parts.keys = fresh
        relay.useKeys(fresh)
      },
      apply(next, fresh) {
        // Not yet listening: the sockets it was started with are those of the configuration before.
        if (ready.armed) loop.timers.cancel(ready)
        if (!listening) listen()
        const known = new Map(gateways.map((gateway) => [gateway.name, gateway]))
        const edge = next as EdgeConfig
        parts.config = edge
        gateways = edge.gateways.map((endpoint) => known.get(formatEndpoint(endpoint)) ?? new EdgeGateway(endpoint))
        relay.apply(edge, gateways, fresh)
        const names = new Set(gateways.map(({name}) => name))
        for (const [name, check] of checks) {
          if (names.has(name)) continue
          check.stop()
          checks.delete(name)
        }

        for (const gateway of gateways) {
          if (checks.has(gateway.name)) continue
          const check = new HealthCheck(parts, gateway)
          checks.set(gateway.name, check)
          check.start(() => {})
        }
      },
      drain(drained) {
        relay.drain(drained)
      },
      abortAll() {
        relay.abortAll()
      },
      aborted: () => relay.counters.aborted,
    }
    // The first checks answer the gateways' challenges, so that no client waits for one.
    let open = checks.size
    let listening = false
    const listen = (): void => {
      listening = true
      relay.listen(listeners)
      this.control.send({type: 'ready'})
    }

    const ready = new Timer(listen)
    loop.timers.arm(ready, loop.now + FIRST_CHECKS_MS)
    for (const check of checks.values()) {
      check.start(() => {
        if (--open === 0 && ready.armed) loop.timers.arm(ready, loop.now)
      })
    }
  }

  private startGateway(config: GatewayConfig, keys: PreambleKeys, listeners: number[]): void {
    const {loop, log} = this
    const replay = ReplayFile.open(config.replayWindowPath)
    const relay = new GatewayRelay(loop, log, config, replay, keys)
    this.role = {
      relay,
      status: () => gatewayProcessStatus(relay, replay.window.instances),
      flows(query, pair, ready) {
        const source = new GatewayFlowSource(relay, pair)
        const filter = new FlowFilter(query.filter)
        return new FlowScan(loop, source, query, (connection) => source.matches(connection, filter), ready)
      },
      useKeys: (fresh) => relay.useKeys(fresh),
      apply: (next) => relay.apply(next as GatewayConfig),
      drain: (drained) => relay.drain(drained),
      abortAll() {
        relay.abortAll()
      },
      aborted: () => relay.counters.aborted,
    }
    relay.listen(listeners)
    this.control.send({type: 'ready'})
  }

  /** @returns why it was not done, or null */
  private apply({config, fresh}: ToProcess & {type: 'apply'}): string | null {
    const fds = receiveDescriptors(this.handover, fresh.length)
    if (fds.length < fresh.length) {
      for (const fd of fds) sys.close(fd)
      return `took ${fds.length} of ${fresh.length} listening sockets`
    }

    this.role?.apply(config, new Map(fresh.map((index, at) => [index, fds[at]])))
    return null
  }

  /** @returns why it was not done, or null */
  private pairAction(action: PairAction): string | null {
    const {pair} = this
    if (pair === null) return 'this instance is not a member of a pair'
    if (action === 'handover') return pair.handOver() ? null : pair.whyNoHandOver()
    try {
      pair.claim()
      return null
    } catch (error) {
      return (error as Error).message
    }
  }

  private drain(deadlineMs: number): void {
    const deadline = new Timer(() => this.role?.abortAll())
    this.loop.timers.arm(deadline, this.loop.now + deadlineMs)
    if (this.role) this.role.drain(() => this.loop.stop())
    else this.loop.stop()
  }
}

function readKeys({current, previous}: KeysJson): PreambleKeys {
  return {current: readKey(current), previous: previous === null ? null : readKey(previous)}
}

function readLinkKeys({current, previous}: KeysJson): LinkKeys {
  return {current: readLinkKey(current), previous: previous === null ? null : readLinkKey(previous)}
}

function readLinkKey({id, linkSecret}: KeyJson): LinkKey {
  return {id, secret: Buffer.from(linkSecret, 'hex')}
}

function readKey({id, secret}: KeyJson): PreambleKey {
  return new PreambleKey(id, Buffer.from(secret, 'hex'))
}

new RelayProcess().run()
