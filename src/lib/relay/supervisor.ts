import type {RelaySettings} from '../config/relay-settings.js'
import type {Reread, RunningSettings} from '../config/running-settings.js'
import {OverlayError, toOverlayError} from '../errors/index.js'
import {readKeyFile, type Key, type KeyRing} from '../keys/key-file.js'
import type {Endpoint} from '../wire/endpoint.js'
import {formatEndpoint} from '../wire/endpoint.js'
import {PREAMBLE_PURPOSE} from '../wire/preamble.js'
import type {AdminRequest} from './admin-client.js'
import {AdminSocket, type PartSender} from './admin-socket.js'
import type {KeyJson, KeysJson, PairAction} from './control-protocol.js'
import {checkService, flowQuery, FlowQueries, type FlowsSummary} from './flow-query.js'
import type {HandshakePlane} from './handshake-plane.js'
import type {CoordinationEvents} from '../coordination/etcd-coordination.js'
import type {Question} from '../coordination/owner-record.js'
import type {PairPlane} from '../pair/pair-plane.js'
import type {PairStatus} from '../pair/pair-status.js'
import {InstanceMetrics} from '../metrics/instance-metrics.js'
import {MetricsServer} from '../metrics/metrics-server.js'
import {REPLICATION_PURPOSE} from '../replication/link-setup.js'
import type {ServiceManager} from '../service/service-manager.js'
import {ListeningSockets, checkCongestionControl} from './listening-sockets.js'
import type {ProcessConfig} from './process-config.js'
import type {EdgeProcessStatus, GatewayProcessStatus} from './process-status.js'
import type {LogLevel, LogLine} from './rate-limited-log.js'
import {RelayChild} from './relay-child.js'
import {RelayChildren, type ProcessStatus, type RelayChildWatch} from './relay-children.js'
import {PacketEcho} from './packet-echo.js'
import type {ReloadReport} from './reload.js'
import {planReload, type ReloadPlan} from './reload-plan.js'
import {ReplayFile} from './replay-file.js'
import {InstanceDirectory} from './run-directory.js'
import {edgeTraffic, gatewayTraffic, type EdgeTraffic, type GatewayTraffic} from './status-report.js'

/** What is left of the drain deadline for the processes to say goodbye, ms. */
const GOODBYE_MS = 2000

export interface SupervisorSettings {
  name: string
  processes: number
  config: ProcessConfig
  /** In the order in which the processes expect their sockets. */
  listeners: readonly Endpoint[]
  keyFile: string
  drainTimeoutMs: number
  /** The same when the host is shutting down. */
  shutdownDrainTimeoutMs: number
  /** Where the packet echo listens; null for nowhere. */
  echo: Endpoint | null
  /** Where metrics are served; null for nowhere. */
  metrics: Endpoint | null
  /** Null for a server of its own. */
  pair: PairPlane | null
  /** Null when zero-RTT is off. */
  plane: HandshakePlane | null
  /** How the configuration is read again. Without it there is none to read. */
  running?: RunningSettings<RelaySettings<ProcessConfig>>
  /** Who started this process and wants to know what it does; null or left out when nobody asked. */
  manager?: ServiceManager | null
  log(line: LogLine): void
}

export type SupervisorState = 'starting' | 'ready' | 'draining'

/** What `status` prints. */
export interface InstanceStatus {
  role: 'edge' | 'gateway'
  name: string
  state: SupervisorState
  pid: number
  uptimeMs: number
  listen: string[]
  processes: {pid: number; ready: boolean}[]
  /** Relay processes that died and were started again; what they had counted is gone. */
  restarts: number
  keys: {current: number; previous: number | null}
  /** Null without the handshake plane. */
  handshake: object | null
  traffic: EdgeTraffic | GatewayTraffic
  /** Null for a server of its own. */
  pair: (PairStatus & {datapath: Record<string, number>}) | null
}

/** What an instance and each of its relay processes say at one moment. */
export interface InstanceSnapshot {
  status: InstanceStatus
  /** Null of a process that did not answer. */
  processes: {pid: number; status: EdgeProcessStatus | GatewayProcessStatus | null}[]
}

/** What a drain came to. */
export interface DrainReport {
  /** Connections open when it began. */
  open: number
  /** Of these, reset at the deadline or by force. */
  aborted: number
  durationMs: number
}

/**
 * The control process of one edge or gateway: holds the listening sockets, the keys and the handshake plane, keeps its
 * relay processes running, answers the admin socket. No byte of a client passes through it.
 */
export class Supervisor {
  /** Settles when the instance has ended: after a drain, or with the error that ended it. */
  readonly ended: Promise<DrainReport>
  private readonly directory: InstanceDirectory
  private readonly admin: AdminSocket
  private readonly startedAt = Date.now()
  private readonly children = new RelayChildren({
    start: (index, watch) => this.startChild(index, watch),
    replacing: () => this.settings.pair?.destroySockets(),
    allEnded: () => this.allEnded(),
    log: (level, kind, message) => this.log(level, kind, message),
  })
  private state: SupervisorState = 'starting'
  /** The handshake plane is on. */
  zeroRtt = false
  private sockets: ListeningSockets | null = null
  private listeners: readonly Endpoint[]
  private drainTimeoutMs: number
  private shutdownDrainTimeoutMs: number
  /** Settles when the last reload has ended. */
  private reloads: Promise<unknown> = Promise.resolve()
  private readonly flowQueries: FlowQueries
  private echo: PacketEcho | null = null
  private metrics: MetricsServer | null = null
  private keys!: KeyRing
  private config: ProcessConfig
  private drainStarted = 0
  private openAtDrain = 0
  private forceTimer: NodeJS.Timeout | undefined
  private settle!: {resolve: (report: DrainReport) => void; reject: (error: unknown) => void}

  /** @throws OverlayError USAGE for a name that cannot be one */
  constructor(private readonly settings: SupervisorSettings) {
    this.config = settings.config
    this.listeners = settings.listeners
    this.drainTimeoutMs = settings.drainTimeoutMs
    this.shutdownDrainTimeoutMs = settings.shutdownDrainTimeoutMs
    this.directory = new InstanceDirectory(settings.config.role, settings.name)
    this.flowQueries = new FlowQueries(() => this.children.serving)
    this.admin = new AdminSocket((request, part) => this.handle(request, part))
    this.ended = new Promise((resolve, reject) => {
      this.settle = {resolve, reject}
    })
    // A start that fails rejects nobody who waits for the end.
    this.ended.catch(() => {})
  }

  /**
   * Brings everything up, or leaves nothing behind.
   *
   * @throws OverlayError KEY_FILE_INVALID, ADDRESS_IN_USE, ALREADY_EXISTS, CONFIG_INVALID, PRIVILEGE_MISSING, …
   */
  async start(): Promise<void> {
    const {settings} = this
    this.keys = readKeyFile(settings.keyFile)
    await this.directory.claim()
    try {
      await this.admin.listen(this.directory.adminSocket)
      this.zeroRtt = (await settings.plane?.attach(this.keys)) ?? false
      if (this.config.role === 'edge') this.config = {...this.config, zeroRtt: this.zeroRtt}
      this.applyCongestionControl()
      if (this.config.role === 'gateway') {
        this.config = {...this.config, replayWindowPath: this.directory.replayWindow}
        ReplayFile.prepare(this.directory.replayWindow)
      }

      if (settings.pair !== null) {
        const pair = settings.pair.attach(this.keys, this.directory.epoch, this.coordinationEvents())
        this.config = {...this.config, pair}
      }

      const control = this.config.role === 'gateway' ? this.config.congestionControl : null
      this.sockets = new ListeningSockets(settings.listeners, settings.processes, control, this.config.pair)
      await this.children.start(settings.processes)
      if (settings.echo !== null) {
        const ports = [...new Set(settings.listeners.map(({port}) => port))]
        this.echo = await PacketEcho.listen(settings.echo, ports, this.keys)
      }

      if (settings.metrics !== null) {
        const metrics = new InstanceMetrics(() => this.snapshot())
        this.metrics = await MetricsServer.listen(settings.metrics, () => metrics.text())
      }

      this.state = 'ready'
      this.directory.writeState({role: this.config.role, name: settings.name, pid: process.pid})
      settings.manager?.ready(this.statusLine())
      settings.manager?.watch(() => this.wellBeing())
    } catch (error) {
      await this.cleanUp()
      throw error
    }
  }

  /** The line that says where it listens. */
  get listen(): string[] {
    return this.listeners.map((endpoint) => formatEndpoint(endpoint))
  }

  get pids(): number[] {
    return this.children.all.map((child) => child.pid)
  }

  /** Stops accepting and ends when the last connection has, or at the deadline. A second call shortens the deadline. */
  async drain(timeoutMs = this.drainTimeoutMs): Promise<DrainReport> {
    if (this.state === 'draining') {
      this.armForce(timeoutMs)
      return this.ended
    }

    this.state = 'draining'
    this.drainStarted = Date.now()
    this.settings.manager?.stopping(`draining, at most ${timeoutMs} ms`)
    this.children.stop()
    this.log('info', 'drain', `draining: no new connections, at most ${timeoutMs} ms for those that are open`)
    this.openAtDrain = await this.countOpen()
    for (const child of this.children.all) child.send({type: 'drain', deadlineMs: timeoutMs})
    // The processes have the sockets too, and take in what waits there. Nobody would on behalf of one that has died.
    this.sockets?.close()
    this.sockets = null
    this.armForce(timeoutMs + GOODBYE_MS)
    return this.ended
  }

  /** The same with the deadline of a host that is shutting down. */
  async drainForShutdown(): Promise<DrainReport> {
    return this.drain(this.shutdownDrainTimeoutMs)
  }

  /** Resets what is open and ends now. */
  force(): void {
    if (this.state !== 'draining') {
      this.state = 'draining'
      this.drainStarted = Date.now()
      this.settings.manager?.stopping('resetting what is open')
    }

    for (const child of this.children.all) child.send({type: 'abort'})
    this.armForce(GOODBYE_MS)
    this.children.stop()
  }

  /**
   * Reads the configuration and the key file again. Keys and what can be changed hold from now on, without a connection
   * noticing; what needs a restart is named. On an error in either file, or when an address cannot be listened on,
   * everything stays as it is. One reload at a time: a second one waits for the first.
   *
   * @throws OverlayError CONFIG_INVALID, KEY_FILE_INVALID, ADDRESS_IN_USE, PRIVILEGE_MISSING, UNREACHABLE
   */
  async reload(): Promise<ReloadReport> {
    const turn = this.reloads.then(() => this.reloadNow())
    this.reloads = turn.catch(() => {})
    return turn
  }

  private async reloadNow(): Promise<ReloadReport> {
    const {manager, name} = this.settings
    if (this.state !== 'ready') throw new OverlayError('NOT_RUNNING', `${this.config.role} "${name}" is ${this.state}`)
    manager?.reloading()
    try {
      // Both files are read before anything changes.
      const read = this.settings.running?.reread() ?? null
      readKeyFile(this.settings.keyFile)
      const {applied, restart} = read === null ? {applied: [], restart: []} : await this.reconfigure(read)
      const keys = await this.reloadKeys()
      if (applied.length > 0) this.log('info', 'reload', `changed, and holds now: ${applied.join(', ')}`)
      if (restart.length > 0) {
        this.log('warning', 'reload', `changed in the configuration, and needs a restart: ${restart.join(', ')}`)
      }

      return {keys, applied, restart}
    } finally {
      if (this.state === 'ready') manager?.ready(this.statusLine())
    }
  }

  private async reconfigure(read: Reread<RelaySettings<ProcessConfig>>): Promise<ReloadPlan> {
    const plan = planReload(this.config, read.settings.config, read.changed)
    if (plan.applied.length === 0) return plan
    const {config} = plan
    const listeners = config.role === 'edge' ? config.services.map((service) => service.listen) : this.listeners
    const prepared = this.sockets!.prepare(listeners)
    try {
      if (config.role === 'edge') this.settings.plane?.serveGateways(config.gateways)
    } catch (error) {
      prepared.discard()
      throw error
    }

    // Whatever process starts from here on starts with the new configuration.
    prepared.commit()
    this.config = config
    this.listeners = listeners
    this.drainTimeoutMs = read.settings.drainTimeoutMs
    this.shutdownDrainTimeoutMs = read.settings.shutdownDrainTimeoutMs
    const applying = this.children.all.map((child, index) => child.apply(config, prepared.fresh[index]))
    for (const [index, answer] of (await Promise.allSettled(applying)).entries()) {
      const child = this.children.all[index]
      if (answer.status === 'fulfilled' || child.hasEnded) continue
      // It would go on by another configuration than the rest, and leave new listeners unserved.
      this.log(
        'error',
        'reload',
        `relay process ${child.pid}: ${toOverlayError(answer.reason).message}; it is replaced`,
      )
      child.kill('SIGKILL')
    }

    read.accept(plan.applied)
    return plan
  }

  /**
   * Reads the key file again; on an error the keys stay as they are.
   *
   * @throws OverlayError KEY_FILE_INVALID
   */
  async reloadKeys(): Promise<{current: number; previous: number | null}> {
    this.keys = readKeyFile(this.settings.keyFile)
    const json = keysJson(this.keys)
    this.settings.plane?.setKeys(this.keys)
    this.settings.pair?.setKeys(this.keys)
    this.echo?.setKeys(this.keys)
    await Promise.all(this.children.all.map((child) => child.useKeys(json)))
    this.log(
      'info',
      'keys',
      `keys reloaded: current ${this.keyIds().current}, previous ${this.keyIds().previous ?? 'none'}`,
    )
    return this.keyIds()
  }

  async status(): Promise<InstanceStatus> {
    return this.statusOf(await this.processStatuses())
  }

  /** What metrics are made of. */
  async snapshot(): Promise<InstanceSnapshot> {
    const processes = await this.children.statuses()
    return {status: this.statusOf(answered(processes)), processes}
  }

  private statusOf(parts: ProcessStatus[]): InstanceStatus {
    const {config, settings} = this
    return {
      role: config.role,
      name: settings.name,
      state: this.state,
      pid: process.pid,
      uptimeMs: Date.now() - this.startedAt,
      listen: this.listen,
      processes: this.children.all.map(({pid, ready}) => ({pid, ready})),
      restarts: this.children.restarts,
      keys: this.keyIds(),
      handshake: this.zeroRtt ? (settings.plane?.status() ?? null) : null,
      traffic:
        config.role === 'edge'
          ? edgeTraffic(parts as EdgeProcessStatus[])
          : gatewayTraffic(parts as GatewayProcessStatus[]),
      pair: this.pairStatus(parts),
    }
  }

  private async handle(request: AdminRequest, part: PartSender): Promise<object> {
    switch (request.command) {
      case 'status': {
        return this.status()
      }

      case 'flows': {
        return this.flows(request, part)
      }

      case 'drain': {
        return this.drain(request.timeoutMs)
      }

      case 'reload': {
        return this.reload()
      }

      case 'reload-keys': {
        return this.reloadKeys()
      }

      case 'pair-handover': {
        return this.pairAction('handover')
      }

      case 'pair-claim': {
        return this.pairAction('claim')
      }

      default: {
        throw new OverlayError(
          'USAGE',
          'the admin socket knows status, flows, drain, reload, reload-keys, pair-handover and pair-claim',
        )
      }
    }
  }

  /** Connections, each part as it comes; the answer says what they are of. */
  private async flows(request: object, part: PartSender): Promise<FlowsSummary> {
    const query = flowQuery(request)
    const {config} = this
    const {role} = config
    const {name} = this.settings
    const summary = await this.flowQueries.answer(query, part)
    if (config.role === 'edge' && summary.matched === 0) {
      checkService(
        `edge "${name}"`,
        query.filter.service,
        config.services.map((service) => service.name),
      )
    }

    return {role, name, ...summary}
  }

  private applyCongestionControl(): void {
    const fromPlane = this.settings.plane?.congestionControl ?? null
    const name = this.config.congestionControl ?? fromPlane
    if (name !== null) checkCongestionControl(name)
    this.config = {...this.config, congestionControl: name}
  }

  private startChild(index: number, {ready, ended}: RelayChildWatch): RelayChild | null {
    if (!this.sockets) return null
    const {byProcess, replication} = this.sockets
    return new RelayChild(this.config, keysJson(this.keys), byProcess[index], replication, {
      ready,
      ended,
      log: (line) => this.settings.log(line),
      coordinate: (asking, id, question) => {
        this.coordinate(asking, id, question).catch((error: Error) => this.log('error', 'etcd', error.message))
      },
    })
  }

  private armForce(ms: number): void {
    clearTimeout(this.forceTimer)
    this.forceTimer = setTimeout(() => {
      this.children.kill()
    }, ms)
  }

  private allEnded(): void {
    if (this.state !== 'draining') return
    const report = {open: this.openAtDrain, aborted: this.children.aborted, durationMs: Date.now() - this.drainStarted}
    this.settle.resolve(report)
    // Whoever asked by the admin socket gets the answer before it closes.
    setImmediate(() => {
      this.cleanUp().catch((error: unknown) => this.log('error', 'clean-up', toOverlayError(error).message))
    })
  }

  private async cleanUp(): Promise<void> {
    clearTimeout(this.forceTimer)
    this.children.stop()
    this.children.kill()
    this.settings.manager?.close()
    this.admin.close()
    this.echo?.close()
    this.metrics?.close()
    this.sockets?.close()
    this.sockets = null
    this.settings.plane?.close()
    this.settings.pair?.close()
    this.directory.remove()
  }

  private async processStatuses(): Promise<ProcessStatus[]> {
    return answered(await this.children.statuses())
  }

  private pairStatus(parts: ProcessStatus[]): InstanceStatus['pair'] {
    const {pair} = this.settings
    const own = parts[0]?.pair
    return pair === null || !own ? null : {...own, datapath: pair.counters()}
  }

  private coordinationEvents(): CoordinationEvents {
    return {
      certainUntil: (until) => {
        for (const child of this.children.all) child.send({type: 'certain-until', until})
      },
      trouble: (message) => {
        if (message === null) this.log('info', 'etcd', 'etcd answers again')
        else this.log('warning', 'etcd', `etcd does not answer: ${message}`)
      },
    }
  }

  /** A relay process asks who may own the addresses. */
  private async coordinate(child: RelayChild, id: number, question: Question | null): Promise<void> {
    const epoch = await this.settings.pair?.coordinate(question)
    if (epoch !== undefined) child.send({type: 'coordinated', id, epoch})
  }

  private async pairAction(action: PairAction): Promise<object> {
    await this.children.pair(action)
    return {done: action}
  }

  private statusLine(): string {
    const {length} = this.children.all
    const processes = `${length} ${length === 1 ? 'process' : 'processes'}`
    return `${this.state} on ${this.listen.join(', ')}, ${processes}, zero-RTT ${this.zeroRtt ? 'on' : 'off'}`
  }

  /** What the watchdog wants to know: null when a relay process does not answer. One that is being started anew is let be. */
  private async wellBeing(): Promise<string | null> {
    const asked = this.children.running.filter(({ready}) => ready)
    const parts = await this.processStatuses()
    if (parts.length < asked.filter((child) => !child.hasEnded).length) return null
    return `${this.statusLine()}, ${parts.reduce((sum, {live}) => sum + live, 0)} connections`
  }

  private async countOpen(): Promise<number> {
    let open = 0
    for (const part of await this.processStatuses()) open += part.live
    return open
  }

  private keyIds(): {current: number; previous: number | null} {
    return {current: this.keys.current.id, previous: this.keys.previous?.id ?? null}
  }

  private log(level: LogLevel, kind: string, message: string): void {
    this.settings.log({level, kind, message, suppressed: 0})
  }
}

function answered(processes: InstanceSnapshot['processes']): ProcessStatus[] {
  return processes.flatMap(({status}) => status ?? [])
}

function keysJson({current, previous}: KeyRing): KeysJson {
  return {current: keyJson(current), previous: previous === null ? null : keyJson(previous)}
}

function keyJson(key: Key): KeyJson {
  return {
    id: key.id,
    secret: key.derive(PREAMBLE_PURPOSE, 32).toString('hex'),
    linkSecret: key.derive(REPLICATION_PURPOSE, 32).toString('hex'),
  }
}
