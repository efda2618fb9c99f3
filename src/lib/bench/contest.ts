import {setTimeout as sleep} from 'node:timers/promises'

import {processesIn} from '../lab/processes.js'
import type {Endpoint} from '../wire/endpoint.js'
import {tryStart} from './contenders.js'
import type {LoadOrder, LoadOutcome} from './load/orders.js'
import {loadContenders, type LoadContenderOptions} from './load-contenders.js'
import type {LoadPath} from './load-schema.js'
import {MachineLoad, machineTime} from './machine-load.js'
import {MeasuringClient} from './measuring-client.js'
import {cpuSeconds, withDescendants} from './process-cost.js'
import {Stage} from './stage.js'

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
}

/** What one order did over one path. */
export interface Trial {
  outcome: LoadOutcome
  /** Processor time of the relays' processes, s; null on the direct path. */
  relaySeconds: number | null
  /** Share of one processor that the busier of client and origin used, 0 to 1; 0 on the direct path, which has only them. */
  loadShare: number
}

/** Client, edge, gateway and origin with bridges between them, a load client, and the contenders' servers. */
export class Contest {
  readonly skipped: {name: LoadPath; reason: string}[] = []

  private constructor(
    readonly stage: Stage,
    private readonly origin: Endpoint,
    private readonly originPid: number,
    private readonly client: MeasuringClient<LoadOrder, LoadOutcome>,
    private readonly machine: MachineLoad,
  ) {}

  /**
   * Bridges pass large segments whole: what is measured is the programs and the kernel, not how a lab delays frames.
   *
   * @param machine gathers what the machine does besides
   * @throws OverlayError of the lab
   */
  static async open(congestionControl: string, machine: MachineLoad): Promise<Contest> {
    const link = {rttMs: 0}
    const stage = await Stage.open({
      congestionControl,
      linkEngine: 'bridge',
      links: {'client-edge': link, 'edge-gateway': link, 'gateway-origin': link},
    })
    try {
      for (const host of ['client', 'edge', 'gateway']) await stage.sysctl(host, PORTS)
      const origin = {address: stage.address('origin', 'gateway-origin'), port: ORIGIN_PORT}
      const {pid} = await stage.serveOrigin(origin, new URL('load/origin-process.js', import.meta.url))
      const client = new MeasuringClient<LoadOrder, LoadOutcome>(
        stage.lab,
        new URL('load/client-process.js', import.meta.url),
      )
      return new Contest(stage, origin, pid, client, machine)
    } catch (error) {
      await stage.close()
      throw error
    }
  }

  /** Starts a path's servers and waits until one exchange went through. @returns null when it is skipped */
  async enter(name: LoadPath, options: LoadContenderOptions): Promise<Contestant | null> {
    const before = this.stage.servers.length
    const started = await tryStart(loadContenders(options)[name], this.stage, this.origin)
    if ('skipped' in started) return this.skip(name, started.skipped)
    const {target} = started
    const failure = await this.warmUp(target)
    if (failure !== null) return this.skip(name, failure)
    return {name, target, processes: withDescendants(this.stage.servers.slice(before).map(({pid}) => pid))}
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

  /** Carries out an order over a path. */
  async play({processes}: Contestant, order: LoadOrder): Promise<Trial> {
    const inLab = processesIn(this.stage.lab.hosts.map(({namespace}) => namespace)).map(({pid}) => pid)
    const everybody = [...inLab, process.pid]
    const machine = machineTime()
    const spent = clockOf(everybody)
    const relay = clockOf(processes)
    const loaders = [this.originPid, this.client.pid].map((pid) => clockOf([pid]))
    const outcome = await this.client.carryOut(order)
    const relaySeconds = processes.length === 0 ? null : relay()
    this.machine.add(machine, machineTime(), spent())
    const loadShare =
      outcome.ms === 0 || processes.length === 0
        ? 0
        : Math.max(...loaders.map((seconds) => seconds())) / (outcome.ms / 1000)
    await sleep(CLOSING_MS) // connections that still close are not the next one's
    return {outcome, relaySeconds, loadShare}
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

/** @returns what these processes have used since now, s */
function clockOf(pids: readonly number[]): () => number {
  const before = cpuSeconds(pids)
  return () => cpuSeconds(pids) - before
}
