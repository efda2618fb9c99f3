import type {EtcdSettings} from '../coordination/etcd-coordination.js'
import type {ReplicationSettings} from '../replication/settings.js'
import type {Endpoint} from '../wire/endpoint.js'

/** An address that the two servers of a region hold in turn. */
export interface VirtualAddress {
  readonly address: string
  /** Length of its network's prefix, bits. */
  readonly prefix: number
  /** The other server's own address in that network. */
  readonly peer: string
}

/** A virtual address and the interface that it belongs on. */
export interface PlacedAddress extends VirtualAddress {
  readonly device: string
}

/** What an operator says of a pair. */
export interface PairSettings {
  /** Which of the two this is. `a` claims the addresses when nobody has them, and dials the link. */
  readonly member: 'a' | 'b'
  /** Both ends of the replication link. */
  readonly listen: Endpoint
  readonly peer: Endpoint
  readonly virtualAddresses: readonly VirtualAddress[]
  readonly settings: ReplicationSettings
  /** Lowest and highest version of the replication protocol that it speaks. */
  readonly versions: readonly [number, number]
  /** Who decides which of the two owns the addresses; null: they do so between themselves. */
  readonly etcd: EtcdSettings | null
}

/** What a relay process needs to be half of a pair. Plain JSON. */
export interface PairConfig extends PairSettings {
  readonly virtualAddresses: readonly PlacedAddress[]
  /** Directory on a bpffs with the pair's maps. */
  readonly pins: string
  /** File that keeps the epoch. */
  readonly epochPath: string
}

/** Source ports of dialled legs: each member has its own, so that a restored leg never meets a new one. */
export const PORT_RANGES = {a: [20_000, 39_999], b: [40_000, 59_999]} as const
