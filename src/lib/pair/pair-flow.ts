import {KickPacket} from '../gate/kick-packet.js'
import type {GatedKey} from '../gate/gate-maps.js'
import type {Connection} from '../relay/connection.js'
import type {ReplicatedFlow} from '../relay/replicator.js'
import {formatAddress} from '../wire/endpoint.js'
import type {FarLeg} from '../wire/far-leg.js'
import type {LegRecord, RawEndpoint} from '../wire/leg-record.js'
import type {Direction} from '../wire/replication-frame.js'

/** A connection's name in the datapath. */
export function gatedKeyOf(local: RawEndpoint, remote: RawEndpoint): GatedKey {
  return {
    local: {address: formatAddress(local.address), port: local.port},
    remote: {address: formatAddress(remote.address), port: remote.port},
  }
}

/** One leg of a flow: how offsets of streams become sequence numbers on it. All numbers modulo 2^32. */
export class PairLeg {
  readonly key: GatedKey
  /** Sequence number of offset 0 of what its peer sends. */
  readonly receiveOrigin: number
  /** Sequence number of offset 0 of what it is sent, were no byte of it skipped; set when the far leg is known. */
  sendOrigin: number
  /** Its peer may be acknowledged up to this offset, and is to be told; null: it has been. */
  gateToSay: number | null = null
  #kick: KickPacket | null = null

  constructor(record: LegRecord) {
    this.key = gatedKeyOf(record.local, record.remote)
    this.receiveOrigin = (record.irs + 1) >>> 0
    this.sendOrigin = (record.iss + 1) >>> 0
  }

  get kick(): KickPacket {
    this.#kick ??= new KickPacket(this.key)
    return this.#kick
  }
}

/** A connection that is replicated. */
export class PairFlow implements ReplicatedFlow {
  ready = false
  farOpen = false
  /** Null until the far leg is connected. */
  far: PairLeg | null = null
  skips: FarLeg['skips'] = [0, 0]
  /** Bytes spliced since the far peers' acknowledgements were looked at. */
  unsampled = 0

  readonly near: PairLeg

  constructor(
    readonly id: number,
    readonly connection: Connection,
    readonly nearRecord: LegRecord,
  ) {
    this.near = new PairLeg(nearRecord)
  }

  /** The leg whose peer sends a direction. */
  source(direction: Direction): PairLeg | null {
    return direction === 0 ? this.near : this.far
  }

  /** What passes between the legs is known with the far one. */
  setFar({record, skips, heads}: FarLeg): void {
    this.far = new PairLeg(record)
    this.skips = skips
    this.far.sendOrigin = (record.iss + 1 + heads[0].length - skips[0]) >>> 0
    this.near.sendOrigin = (this.nearRecord.iss + 1 + heads[1].length - skips[1]) >>> 0
  }
}
