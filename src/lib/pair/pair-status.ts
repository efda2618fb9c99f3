import type {PairConfig} from './pair-config.js'
import type {PairNode, TakeoverReport} from './pair-node.js'

/** A pair as `status` shows it. Plain JSON; times in ms, sizes in bytes. */
export interface PairStatus {
  member: 'a' | 'b'
  /** waiting: it holds nothing and has not heard of an owner. */
  role: 'owner' | 'backup' | 'waiting'
  epoch: number
  /** down, snapshot, ending or paired at an owner; up or down elsewhere. */
  link: string
  peer: string
  /** The owner goes on without a backup, nothing being replicated. */
  solo: boolean
  /** How long the owner may still speak; null without end, 0 when it may not. */
  leaseMs: number | null
  /** Connections that are replicated at an owner, held at a backup. */
  flows: number
  /** Not acknowledged by the backup, and kept by it. */
  outstandingBytes: number
  keptBytes: number
  /** Reading pauses until the backup has caught up. */
  paused: boolean
  journalBytes: number
  journalHighestBytes: number
  journalLimitBytes: number
  takeovers: number
  lastTakeover: TakeoverReport | null
  /** How often this owner went on alone. */
  soloCount: number
  /** Connections that could not be replicated, and were closed. */
  notReplicated: number
  linksUp: number
  /** How often a FIN or RST without consent had silenced this owner though it was alive; see docs/ARCHITECTURE.md. */
  fences: number
}

export function pairStatus(node: PairNode, config: PairConfig): PairStatus {
  const {primary, backup, epoch} = node.member
  const until = primary?.lease.until ?? 0
  return {
    member: config.member,
    role: primary === null ? (backup.synchronised ? 'backup' : 'waiting') : 'owner',
    epoch,
    link: primary?.link ?? (node.link.isUp ? 'up' : 'down'),
    peer: node.link.remote,
    solo: primary?.solo ?? false,
    leaseMs: until === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.round(until - node.now)),
    flows: primary?.flows.size ?? backup.held?.flows.size ?? 0,
    outstandingBytes: primary?.outstanding ?? 0,
    keptBytes: primary?.kept ?? 0,
    paused: primary?.paused ?? false,
    journalBytes: backup.memory.used,
    journalHighestBytes: backup.memory.highest,
    journalLimitBytes: backup.memory.limit,
    takeovers: node.takeovers,
    lastTakeover: node.lastTakeover,
    soloCount: primary?.soloCount ?? 0,
    notReplicated: node.flows.failed,
    linksUp: node.link.timesUp,
    fences: node.fences,
  }
}
