import type {Memory} from '../kernel/libc.js'
import type {FarLeg} from '../wire/far-leg.js'
import {addressBytes, type Endpoint} from '../wire/endpoint.js'
import type {LegRecord, RawEndpoint} from '../wire/leg-record.js'
import type {Connection, Side} from './connection.js'

/**
 * A relay that is half of a pair, and what stands between it and the other half. Without a pair there is none, and every
 * connection's `flow` is null.
 */

/** What the replication plane keeps of a connection. */
export interface ReplicatedFlow {
  /** The backup knows both legs: bytes may go upstream and be read from there. */
  ready: boolean
  /** What is read from the far leg belongs to the stream; before that it is for the relay alone and is not replicated. */
  farOpen: boolean
}

export interface Replicator {
  /** Nothing more may be read: the backup has too much to take. */
  readonly paused: boolean
  /** The owner's lease is over, and no other server is known to have the address: {@link PairRelay.resumeAccepting} follows. */
  readonly fenced: boolean
  /**
   * A connection was accepted; nothing was read from it, or what was read is told by {@link Replicator.received} next.
   * Its far leg may have been dialled already.
   *
   * @returns false when it cannot be replicated: the caller closes it with {@link Replicator.discard}
   */
  open(connection: Connection): boolean
  /** Gives a socket the virtual address that leads to a peer, before connect(). @returns 0 or an errno */
  bindFar(fd: number, remote: Buffer): number
  /**
   * The far leg is connected. {@link ReplicatedFlow.ready} may be true on return; else {@link PairRelay.flowReady} follows.
   *
   * @returns false when its socket is not connected (any more)
   */
  dialled(connection: Connection, skips: FarLeg['skips'], heads: FarLeg['heads']): boolean
  /** The far leg is about to be closed and another dialled, or none. */
  redial(connection: Connection): void
  /**
   * Memory into which so many bytes should be read, at {@link Replicator.placeAt}, so that they need not be copied for the
   * backup. Good until anything else is told to the replicator.
   *
   * @returns null: they may lie anywhere
   */
  place(length: number): Memory | null
  readonly placeAt: number
  /** Bytes were read. @param at their address is `bytes`' address plus `start` */
  received(from: Side, bytes: Buffer, start: number, end: number): void
  /** Whether bytes may be spliced from a replicated connection; else they are to be copied. */
  readonly takesPipes: boolean
  /** Bytes were spliced from a side: all that its pipe holds. @returns false when the connection cannot go on */
  spliced(from: Side): boolean
  /** A peer has closed its direction. */
  ended(from: Side): void
  /** All that was read from this side is with the kernel, and the peer's FIN is about to be passed on. */
  permitFin(from: Side): void
  /** The connection is about to be reset. */
  abort(connection: Connection): void
  /** Its sockets are closed. */
  forget(connection: Connection): void
  /** A connection that no backup knows may say what it has to: a refusal, a health check's answer. */
  permitUnreplicated(fd: number): void
  /** Closes an accepted socket without a word. */
  discard(fd: number): void
  /** Gives all connections to the other server, if it holds them. @returns false when it does not */
  handOver(): boolean
}

/** One direction of a flow as the other server held it when it took over. */
export interface AdoptedStream {
  /** Offset of the first byte of `pending`. */
  readonly base: number
  /** Offset behind the last. */
  readonly end: number
  /** The sending peer has closed it there. */
  readonly ended: boolean
  readonly pending: readonly Buffer[]
}

/** A flow to carry on. */
export interface AdoptedFlow {
  readonly near: LegRecord
  /** Null: the far leg must be dialled anew. */
  readonly far: FarLeg | null
  readonly nearFd: number
  /** −1 without a far leg. */
  readonly farFd: number
  readonly streams: readonly [AdoptedStream, AdoptedStream]
}

/** Where a leg goes on with a direction, and with what. */
export interface Resumption {
  /** Offset of the first byte sent, below 0 or the skip when it belongs to the head. */
  readonly from: number
  readonly parts: readonly Buffer[]
}

/** What the peer of a direction's far end may still need: the head too, as long as no byte after it is acknowledged. */
export function resumption({base, pending}: AdoptedStream, {skips, heads}: FarLeg, direction: 0 | 1): Resumption {
  const skip = skips[direction]
  const head = heads[direction]
  if (base > skip) return {from: base, parts: pending}
  return {from: skip - head.length, parts: [head, ...withoutFirst(pending, skip - base)]}
}

/** What is left of parts without their first bytes; all of it for a negative count. */
export function withoutFirst(parts: readonly Buffer[], count: number): Buffer[] {
  let left = count
  const rest: Buffer[] = []
  for (const part of parts) {
    if (left < part.length) rest.push(left > 0 ? part.subarray(left) : part)
    left -= part.length
  }

  return rest
}

/** Whether an endpoint of the configuration is the one of a leg's record. */
export function sameEndpoint({address, port}: Endpoint, raw: RawEndpoint): boolean {
  return port === raw.port && addressBytes(address).equals(raw.address)
}

/** What the replication plane asks of a relay. */
export interface PairRelay {
  /**
   * Makes a connection of a flow and gives the kernel what is pending. Its sockets may speak already; the caller sets
   * `flow` before {@link PairRelay.carryOn}.
   *
   * @returns null when it cannot be served here, e.g. since the configuration does not have its service
   */
  adopt(flow: AdoptedFlow): Connection | null
  /** Lets events come, and does what is next for it. */
  carryOn(connection: Connection): void
  /** The backup knows both legs of it. */
  flowReady(connection: Connection): void
  /** Both peers have everything and have said so. */
  flowClosed(connection: Connection): void
  /** What was read before bytes may flow, from offset 0 on; empty when it relays. */
  openingBytes(connection: Connection): Buffer
  /** Reading may go on. */
  resumeReading(): void
  /** New connections may be taken again, or be sent away. */
  resumeAccepting(): void
  /** The address is another's: forget every connection, closing its sockets by `close`. */
  dropAll(close: (fd: number) => void): void
}
