import {setTimeout as sleep} from 'node:timers/promises'

import type {LabSpec} from '../lab/spec.js'
import type {Endpoint} from '../wire/endpoint.js'
import {tryStart} from './contenders.js'
import type {LoadOrder} from './load/orders.js'
import {loadContenders, type LoadContenderOptions} from './load-contenders.js'
import type {LoadPath} from './load-schema.js'
import type {MachineLoad} from './machine-load.js'
import {MeasuringClient} from './measuring-client.js'
import {withDescendants} from './process-cost.js'
import {Stage} from './stage.js'
import {playTrial, type LoadClient, type Trial} from './trial.js'

export type {Trial} from './trial.js'

const ORIGIN_PORT = 7000
const WARM_UP_MS = 10_000
const CLOSING_MS = 50
/** Enough for 55,000 connections of one kind within the minute that TIME-WAIT lasts. */
const PORTS = {'net.ipv4.ip_local_port_range': '10000 65000'}

/** A path whose servers run. */
export interface Contestant {
  name: LoadPath
  target: Endpoint
  /** Of its relays, both ends; none on the direct path. */
  processes: number[]
  /** Makes all hosts forget earlier connections over it: kernels and handshake planes. */
  forget(): Promise<void>
}

/**
 * Links that pass large segments whole: what is measured is the programs and the kernel, not how a lab delays frames.
 */
export function bridged(congestionControl: string): LabSpec {
  const link = {rttMs: 0}
  return {
    congestionControl,
    linkEngine: 'bridge',
    links: {'client-edge': link, 'edge-gateway': link, 'gateway-origin': link},
  }
}

/** Client, edge, gateway and origin, a load client, and the contenders' servers. */
export class Contest {
  readonly skipped: {name: LoadPath; reason: string}[] = []

  private constructor(
    readonly stage: Stage,
    private readonly origin: Endpoint,
    private readonly originPid: number,
    private readonly client: LoadClient,
    private readonly machine: MachineLoad,
  ) {}

  /**
   * @param spec of the lab
   * @param machine gathers what the machine does besides
   * @throws OverlayError of the lab
   */
  static async open(spec: LabSpec, machine: MachineLoad): Promise<Contest> {
    const stage = await Stage.open(spec)
    try {
      for (const host of ['client', 'edge', 'gateway']) await stage.sysctl(host, PORTS)
      const origin = {address: stage.address('origin', 'gateway-origin'), port: ORIGIN_PORT}
      const {pid} = await stage.serveOrigin(origin, new URL('load/origin-process.js', import.meta.url))
      const client: LoadClient = new MeasuringClient(stage.lab, new URL('load/client-process.js', import.meta.url))
      return new Contest(stage, origin, pid, client, machine)
    } catch (error) {
      await stage.close()
      throw error
    }
  }

  /** Starts a path's servers and waits until one exchange went through. @returns null when it is skipped */
  async enter(name: LoadPath, options: LoadContenderOptions): Promise<Contestant | null> {
    const before = this.stage.servers.length
    const contender = loadContenders(options)[name]
    const started = await tryStart(contender, this.stage, this.origin)
    if ('skipped' in started) return this.skip(name, started.skipped)
    const {target} = started
    const failure = await this.warmUp(target)
    if (failure !== null) return this.skip(name, failure)
    const processes = withDescendants(this.stage.servers.slice(before).map(({pid}) => pid))
    const forget = async (): Promise<void> => {
      await this.stage.forgetTcpMetrics()
      contender.forget?.(this.stage)
    }

    return {name, target, processes, forget}
  }

  /** Stops the path's servers. */
  async leave({processes}: Contestant): Promise<void> {
    await this.stage.stop(this.stage.servers.filter(({pid}) => processes.includes(pid)))
  }

  /** Carries out an order that does not count: a relay runs better after some thousand exchanges than at its start. */
  async warm(order: LoadOrder, exchangesMs: number): Promise<void> {
    await this.client.carryOut(order.do === 'exchange' ? {...order, ms: Math.max(order.ms, exchangesMs)} : order)
    await sleep(CLOSING_MS)
  }

  /**
   * Carries out an order over a path.
   *
   * @param quietMs waited afterwards: connections that still close are not the next one's
   */
  async play({processes}: Contestant, order: LoadOrder, quietMs = CLOSING_MS): Promise<Trial> {
    const {client, originPid, machine, stage} = this
    const trial = await playTrial(order, {client, originPid, relays: processes, labs: [stage.lab]}, machine)
    await sleep(quietMs)
    return trial
  }

  async close(): Promise<void> {
    await this.stage.close()
  }

  private skip(name: LoadPath, reason: string): null {
    this.skipped.push({name, reason})
    return null
  }

  /** Our own edge takes a moment to make itself known to its gateway. @returns what went wrong to the end, or null */
  private async warmUp(target: Endpoint): Promise<string | null> {
    const deadline = performance.now() + WARM_UP_MS
    const order: LoadOrder = {do: 'exchange', ...target, connections: 1, inFlight: 1, fresh: true, bytes: 100, ms: 0}
    for (;;) {
      const {failed, messages} = await this.client.carryOut(order)
      if (failed === 0) return null
      if (performance.now() > deadline) return `no exchange went through: ${messages[0]}`
      await sleep(100)
    }
  }
}
