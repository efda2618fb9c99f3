import type {EdgeProcessStatus, GatewayProcessStatus} from './process-status.js'
import type {Question} from '../coordination/owner-record.js'
import type {FlowQuery, FlowsPart} from './flow-schema.js'
import type {ProcessConfig} from './process-config.js'
import type {LogLine} from './rate-limited-log.js'

/**
 * What supervisor and relay process say to each other: JSON, one object a line, over a unix stream that the relay process
 * inherits as descriptor 3. When it ends, the relay process ends: its supervisor has died.
 */
export const CONTROL_FD = 3

/** The first listening socket; the others follow in the order of the configuration's listeners. */
export const FIRST_LISTENER_FD = 4

/** A key on its way to a relay process; hex. */
export interface KeyJson {
  id: number
  /** Derived for preambles. */
  secret: string
  /** Derived for the replication link of a pair. */
  linkSecret: string
}

export interface KeysJson {
  current: KeyJson
  previous: KeyJson | null
}

export type PairAction = 'handover' | 'claim'

export type ToProcess =
  /** @param pairListener the socket after the last listener is the replication link's */
  | {type: 'start'; config: ProcessConfig; keys: KeysJson; listeners: number; pairListener: boolean}
  | {type: 'status'; id: number}
  /** Which connections are open: the largest of them. A second question ends the answer to the first. */
  | {type: 'flows'; id: number; query: FlowQuery}
  /** More of the last answer. */
  | {type: 'more-flows'; id: number}
  | {type: 'keys'; id: number; keys: KeysJson}
  /**
   * Go on by another configuration.
   *
   * @param fresh indices of services whose listening sockets have been sent, in their order, by the descriptor after the
   * last of `start`
   */
  | {type: 'apply'; id: number; config: ProcessConfig; fresh: number[]}
  /** Stop accepting; `drained` follows when the last connection has ended, or at the deadline, when the rest is reset. */
  | {type: 'drain'; deadlineMs: number}
  /** Reset everything now; `drained` follows. */
  | {type: 'abort'}
  /** Of a pair: hand the addresses over, or claim them without the other server. */
  | {type: 'pair'; id: number; action: PairAction}
  /** @param epoch that was granted; null for no */
  | {type: 'coordinated'; id: number; epoch: number | null}
  /** @param until an owner may be alone, ms of CLOCK_BOOTTIME */
  | {type: 'certain-until'; until: number}

export type FromProcess =
  | {type: 'ready'}
  | {type: 'status'; id: number; status: EdgeProcessStatus | GatewayProcessStatus}
  /** Of both questions. @param part null when there is no such answer (any more) */
  | {type: 'flows'; id: number; part: FlowsPart | null}
  | {type: 'keys'; id: number}
  /** @param error why the sockets could not be taken, and the configuration was not applied, or null */
  | {type: 'applied'; id: number; error: string | null}
  /** @param error why it was not done, or null */
  | {type: 'pair'; id: number; error: string | null}
  /**
   * A member of a pair asks who may own the addresses; `coordinated` follows, unless another
   * question does, or null: nothing is asked any more.
   */
  | {type: 'coordinate'; id: number; question: Question | null}
  | {type: 'drained'; aborted: number}
  | {type: 'log'; line: LogLine}
