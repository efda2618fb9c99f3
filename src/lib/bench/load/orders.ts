import type {Percentiles} from '../percentiles.js'

/** What a load client is told to do, one at a time. Each is bounded by its time and ends {@link GRACE_MS} later at most. */
export type LoadOrder =
  | {do: 'bulk'; address: string; port: number; direction: 'down' | 'up'; streams: number; ms: number}
  /** One connection that carries so many bytes; given up when it has not ended after `ms`. */
  | {do: 'transfer'; address: string; port: number; direction: 'down' | 'up'; bytes: number; ms: number}
  /** In a closed loop over connections of their own (`fresh`) or over `connections` that are kept. */
  | {
      do: 'exchange'
      address: string
      port: number
      /** Connections open at a time. */
      connections: number
      /** Exchanges under way at a time, at most as many. */
      inFlight: number
      fresh: boolean
      bytes: number
      ms: number
    }
  /** Opens so many more connections, each with one exchange, and keeps them. */
  | {do: 'hold'; address: string; port: number; connections: number; ms: number}
  /** Closes all that are held. */
  | {do: 'release'}

/** How long after its time an order may take to end: what is in buffers arrives, what hangs is given up. */
export const GRACE_MS = 10_000

/** What came of it. */
export interface LoadOutcome {
  /** From the beginning to the last answer; of a transfer from connect() to the last byte or the origin's count. */
  ms: number
  /** Of a transfer down: from connect() to its first byte. */
  firstByteMs?: number
  /** Of bulk: that arrived. Of exchanges: both ways together. */
  bytes: number
  /** Exchanges that were answered whole, connections that are held. */
  done: number
  /** From sending a request to its whole answer; only of kept connections. */
  exchangeMs: Percentiles | null
  failed: number
  /** What the failed said, each once, at most ten. */
  messages: string[]
}
