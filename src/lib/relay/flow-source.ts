import {unacknowledged} from '../kernel/send-queue.js'
import {localName, peerInto} from '../kernel/socket-names.js'
import {readTcpInfo, tcpDetail, tcpInfo} from '../kernel/tcp-info.js'
import {formatAddress, formatEndpoint} from '../wire/endpoint.js'
import type {Connection, Side} from './connection.js'
import type {AddressFilter} from './flow-filter.js'
import type {FlowSort} from './flow-order.js'
import type {FlowSource} from './flow-scan.js'
import type {Flow, FlowLeg, FlowReplication, FlowsPart} from './flow-schema.js'

/** What a member of a pair knows of its connections. */
export interface FlowPair {
  of(connection: Connection): FlowReplication | null
  status(): NonNullable<FlowsPart['pair']>
}

/** Where the connections of a relay process are. */
export interface OpenConnections<C extends Connection> {
  openConnections(): C[]
}

/** Of the edge's clients, the gateway's origins: whatever a person is to read. */
export type RoleFlow = Pick<Flow, 'ageMs' | 'bytes' | 'client' | 'handshake' | 'id' | 'origin' | 'service' | 'state'>

const address = Buffer.alloc(16)

/** What edge and gateway have in common: sockets, bytes, the pair. Everything is read when somebody asks. */
export abstract class RelayFlowSource<C extends Connection> implements FlowSource<C> {
  protected abstract readonly legs: readonly [FlowLeg['leg'], FlowLeg['leg']]

  constructor(
    private readonly relay: OpenConnections<C>,
    private readonly paired: FlowPair | null,
  ) {}

  protected abstract role(connection: C, now: number): RoleFlow
  protected abstract ageMs(connection: C, now: number): number | null

  open(): C[] {
    return this.relay.openConnections()
  }

  generation({state, near, far}: C): number | undefined {
    if (state === 0) return undefined
    // A leg that is gone has none; a connection without any has ended.
    return near.generation || far.generation || undefined
  }

  pair(): FlowsPart['pair'] {
    return this.paired?.status() ?? null
  }

  key(connection: C, sort: FlowSort, now: number): number {
    const {near, far} = connection
    switch (sort) {
      case 'bytes': {
        return near.received + far.received
      }

      case 'waiting': {
        return near.waiting + far.waiting
      }

      case 'rtt': {
        return Math.max(rttOf(near), rttOf(far))
      }

      case 'retransmissions': {
        return retransmissionsOf(near) + retransmissionsOf(far)
      }

      case 'lag': {
        return this.paired?.of(connection)?.lagBytes ?? -1
      }

      case 'idle': {
        return now - connection.lastActivity
      }

      case 'age': {
        return this.ageMs(connection, now) ?? -1
      }
    }
  }

  describe(connection: C, now: number): Flow {
    const {near, far} = connection
    return {
      process: process.pid,
      ...this.role(connection, now),
      waiting: {toOrigin: near.waiting, toClient: far.waiting},
      ended: {client: near.ended, origin: far.ended},
      idleMs: Math.max(0, Math.round(now - connection.lastActivity)),
      legs: [describeLeg(near, this.legs[0]), describeLeg(far, this.legs[1])],
      replication: this.paired?.of(connection) ?? null,
    }
  }
}

/** Does the other end of a side's socket fit? */
export function peerFits({fd}: Side, filter: AddressFilter): boolean {
  if (fd < 0) return false
  const port = peerInto(fd, address)
  return port > 0 && filter.fits(address, port)
}

/** ADDRESS:PORT of the other end; null without a socket. */
export function peerOf({fd}: Side): string | null {
  const port = fd < 0 ? 0 : peerInto(fd, address)
  return port === 0 ? null : formatEndpoint({address: formatAddress(address), port})
}

function describeLeg(side: Side, leg: FlowLeg['leg']): FlowLeg {
  const {fd} = side
  const tcp = fd < 0 ? null : tcpDetail(fd)
  return {
    leg,
    local: fd < 0 ? null : localOf(fd),
    remote: peerOf(side),
    tcp: tcp?.state ?? null,
    rttMs: tcp?.rttMs ?? null,
    rttVariationMs: tcp?.rttVariationMs ?? null,
    congestionWindow: tcp?.congestionWindow ?? null,
    retransmissions: tcp?.retransmissions ?? 0,
    unacknowledgedBytes: fd < 0 ? 0 : unacknowledged(fd),
  }
}

function localOf(fd: number): string {
  const {address: local, port} = localName(fd)
  return formatEndpoint({address: formatAddress(local), port})
}

function rttOf({fd}: Side): number {
  return fd >= 0 && readTcpInfo(fd) && tcpInfo.rttMs > 0 ? tcpInfo.rttMs : -1
}

function retransmissionsOf({fd}: Side): number {
  return fd < 0 ? 0 : (tcpDetail(fd)?.retransmissions ?? 0)
}
