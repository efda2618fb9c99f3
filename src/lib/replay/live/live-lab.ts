import {requireHandshakePlane} from '../../bench/own-pair.js'
import {PairStage, servicePorts} from '../../failover/stage.js'
import type {ModelPath} from '../model/opening.js'
import type {LegRtts} from '../model/parameters.js'
import {PlayHouse, type Place} from './play-house.js'

/** Of every socket of every host: the model's slow start, and open to every network namespace. */
export const CONGESTION_CONTROL = 'reno'

export interface LiveLabOptions {
  /** Whether the edge is a pair. */
  paired: boolean
  zeroRtt: boolean
  /** Conversations at a time. */
  places: number
}

/** A lab with an overlay and with the two programs that play. */
export class LiveLab {
  private constructor(
    private readonly stage: PairStage,
    readonly house: PlayHouse,
    private readonly places: number,
  ) {}

  /** @throws OverlayError of the lab; KERNEL_FEATURE_MISSING when it is to be zero-RTT and cannot */
  static async open({paired, zeroRtt, places}: LiveLabOptions): Promise<LiveLab> {
    const stage = await PairStage.up({
      pairs: paired ? ['edge'] : [],
      family: 'ipv4',
      zeroRtt,
      services: places,
      congestionControl: CONGESTION_CONTROL,
    })
    try {
      // What a kernel remembers of an earlier connection (ssthresh, RTT) is of other links than the next one's.
      await Promise.all(
        stage.lab.hosts.map(({name}) => stage.lab.exec(name, ['sysctl', '-qw', 'net.ipv4.tcp_no_metrics_save=1'])),
      )
      if (zeroRtt) await requireZeroRtt(stage)
      const house = await PlayHouse.open(stage.lab, stage.address(3, 21), servicePorts(0).origin, places)
      return new LiveLab(stage, house, places)
    } catch (error) {
      await stage.down()
      throw error
    }
  }

  /** Where the n-th conversation at a time goes, from 0: to the origin itself, or to the edge's service for it. */
  place(path: ModelPath, index: number): Place {
    const {service, origin} = servicePorts(index % this.places)
    if (path === 'direct') return {address: this.stage.address(3, 21), port: origin, originPort: origin}
    return {address: this.stage.service.address, port: service, originPort: origin}
  }

  /** Round trips of the three links, ms. */
  async setLegs({clientEdge, edgeGateway, gatewayOrigin}: LegRtts): Promise<void> {
    await Promise.all([
      this.stage.lab.setLink('client-edge', {delayMs: clientEdge / 2}),
      this.stage.lab.setLink('edge-gateway', {delayMs: edgeGateway / 2}),
      this.stage.lab.setLink('gateway-origin', {delayMs: gatewayOrigin / 2}),
    ])
  }

  /** Round trip of the pair's replication link, ms. */
  async setReplication(rttMs: number): Promise<void> {
    await this.stage.lab.setLink('edge-replication', {delayMs: rttMs / 2})
  }

  async close(): Promise<void> {
    try {
      await this.house.close()
    } finally {
      await this.stage.down()
    }
  }
}

/** @throws OverlayError KERNEL_FEATURE_MISSING */
async function requireZeroRtt({lab, options}: PairStage): Promise<void> {
  const names = {edge: options.pairs.includes('edge') ? 'edge-a' : 'edge', gateway: 'gateway'}
  for (const role of ['edge', 'gateway'] as const) {
    const run = async (_role: string, words: readonly string[]): Promise<string> =>
      (await lab.exec(names[role], words)).stdout
    await requireHandshakePlane({run}, names[role], [role])
  }
}
