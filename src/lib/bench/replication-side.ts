import {readFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'

import {nodeCommand} from '../cli/node-entry.js'
import {OverlayError} from '../errors/index.js'
import {LoadOrigin} from '../failover/load.js'
import {PairStage, servicePorts, type Letter} from '../failover/stage.js'
import type {LoadOrder} from './load/orders.js'
import type {MachineLoad} from './machine-load.js'
import {MeasuringClient} from './measuring-client.js'
import {measureAckDelays} from './paced-connection.js'
import {withDescendants} from './process-cost.js'
import type {ReplicationPath} from './replication-schema.js'
import {playTrial, type LoadClient, type Trial} from './trial.js'

/** Services of a stage beyond its own two: the load origin's. */
const LOAD_SERVICE = 2
const WARM_UP_MS = 10_000
/** Connections that still close are not the next trial's, and the backup drops what it holds of them. */
const CLOSING_MS = 100
const BURST_EVERY_MS = 20
const ROUND_TRIPS = 50
const ROUND_TRIPS_DEADLINE_MS = 30_000
/** Networks of a lab: the replication link of edges. */
const EDGE_REPLICATION = 4

export interface ReplicationTrial extends Trial {
  /** That left the owner on the replication link; null without a backup. */
  replicatedBytes: number | null
}

type Order<Of = LoadOrder> = Of extends unknown ? Omit<Of, 'address' | 'port'> : never

/** A lab over bridges whose edge is alone or a pair, with a load client and two origins. */
export class ReplicationSide {
  #nextFlow = 1

  private constructor(
    readonly name: ReplicationPath,
    private readonly stage: PairStage,
    private readonly client: LoadClient,
    private readonly originPid: number,
  ) {}

  /** @throws OverlayError of the lab, UNREACHABLE when no exchange goes through */
  static async open(name: ReplicationPath, congestionControl: string): Promise<ReplicationSide> {
    const stage = await PairStage.up({
      pairs: name === 'pair' ? ['edge'] : [],
      family: 'ipv4',
      rttMs: 0,
      linkEngine: 'bridge',
      congestionControl,
      services: LOAD_SERVICE + 1,
    })
    try {
      await LoadOrigin.start(stage)
      const words = nodeCommand(new URL('load/origin-process.js', import.meta.url))
      const listen = [stage.address(3, 21), String(servicePorts(LOAD_SERVICE).origin)]
      const origin = stage.lab.spawn('origin', [...words, ...listen], {stdio: ['ignore', 'ignore', 'inherit']})
      const client: LoadClient = new MeasuringClient(stage.lab, new URL('load/client-process.js', import.meta.url))
      const side = new ReplicationSide(name, stage, client, origin.pid)
      await side.#warmUp()
      return side
    } catch (error) {
      await stage.down()
      throw error
    }
  }

  async close(): Promise<void> {
    await this.stage.down()
  }

  /**
   * Carries out an order. One during which the pair was not whole counts as failed: what is not replicated is cheap.
   *
   * @param sides all that are up: what runs in their labs is of the bench
   */
  async play(order: Order, machine: MachineLoad, sides: readonly ReplicationSide[]): Promise<ReplicationTrial> {
    const {client, originPid, stage} = this
    const relays = withDescendants([...stage.relays.values()])
    const labs = sides.map((side) => side.stage.lab)
    const before = await this.#pair()
    const trial = await playTrial(this.#addressed(order), {client, originPid, relays, labs}, machine)
    await sleep(CLOSING_MS)
    const after = await this.#pair()
    if (before === null || after === null) return {...trial, replicatedBytes: null}
    const replicatedBytes = after.sentBytes - before.sentBytes
    const same = (['owner', 'epoch', 'soloCount', 'linksUp'] as const).every((key) => before[key] === after[key])
    if (same) return {...trial, replicatedBytes}
    const {outcome} = trial
    const messages = [...outcome.messages, 'the pair did not stay whole']
    return {...trial, replicatedBytes, outcome: {...outcome, failed: outcome.failed + 1, messages}}
  }

  /** Acknowledgement delays of one connection with pauses, ms. */
  ackDelays(): Promise<number[]> {
    return measureAckDelays(this.stage, this.#nextFlow++, BURST_EVERY_MS)
  }

  /** Round trips of the replication link, from the owner, ms. */
  async linkRoundTrips(): Promise<number[]> {
    const owner = await this.stage.owner('edge')
    const other = this.stage.address(EDGE_REPLICATION, owner === 'a' ? 21 : 11)
    const words = nodeCommand(new URL('round-trip-client.js', import.meta.url))
    const {code, stdout, stderr} = await this.stage.lab.exec(`edge-${owner}`, [...words, other, String(ROUND_TRIPS)], {
      timeoutMs: ROUND_TRIPS_DEADLINE_MS,
    })
    if (code !== 0)
      throw new OverlayError('UNREACHABLE', 'the replication link does not answer', {cause: stderr.trim()})
    return JSON.parse(stdout) as number[]
  }

  /** The most that the backup has held at a time, bytes. */
  async journalHighestBytes(): Promise<number> {
    const owner = await this.stage.owner('edge')
    return (await this.stage.status('edge', other(owner))).journalHighestBytes
  }

  async #pair(): Promise<{owner: Letter; epoch: number; soloCount: number; linksUp: number; sentBytes: number} | null> {
    if (this.name === 'alone') return null
    const owner = await this.stage.paired('edge')
    const {epoch, soloCount, linksUp} = await this.stage.status('edge', owner)
    const host = `edge-${owner}`
    const device = this.stage.lab.host(host).interfaces['edge-replication']!.name
    return {owner, epoch, soloCount, linksUp, sentBytes: sentBytes(this.stage.relays.get(host)!, device)}
  }

  #addressed(order: Order): LoadOrder {
    const {address} = this.stage.service
    return {...order, address, port: servicePorts(LOAD_SERVICE).service} as LoadOrder
  }

  async #warmUp(): Promise<void> {
    const deadline = performance.now() + WARM_UP_MS
    const order = {do: 'exchange', connections: 1, inFlight: 1, fresh: true, bytes: 100, ms: 0} as const
    for (;;) {
      const {failed, messages} = await this.client.carryOut(this.#addressed(order))
      if (failed === 0) return
      if (performance.now() > deadline) {
        throw new OverlayError('UNREACHABLE', `no exchange went through the edge (${this.name})`, {cause: messages[0]})
      }

      await sleep(100)
    }
  }
}

const other = (letter: Letter): Letter => (letter === 'a' ? 'b' : 'a')

/** Bytes that an interface has sent, as the network namespace of a process counts them. */
function sentBytes(pid: number, device: string): number {
  return parseSentBytes(readFileSync(`/proc/${pid}/net/dev`, 'latin1'), device)
}

/**
 * @param text of /proc/PID/net/dev
 * @returns the ninth number of the interface's line, bytes sent (net/core/net-procfs.c); 0 when it is not there
 */
export function parseSentBytes(text: string, device: string): number {
  const line = text.split('\n').find((each) => each.trimStart().startsWith(`${device}:`))
  return Number(
    line
      ?.slice(line.indexOf(':') + 1)
      .trim()
      .split(/\s+/)[8] ?? 0,
  )
}
