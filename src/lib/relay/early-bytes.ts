import {EAGAIN} from '../kernel/errno.js'
import {errno, sys} from '../kernel/libc.js'
import {PreambleFields, preambleLength, writePreamble, type PreambleKey} from '../wire/preamble.js'
import type {EdgeConnection} from './edge-connection.js'
import type {EdgeGateway, EdgeInstance} from './edge-dialer.js'
import type {EpollLoop} from './epoll-loop.js'
import {EARLY_LIMIT, HEADROOM, type Slab, type Slabs} from './slab-pool.js'
import type {Transfer} from './transfer.js'

/** Connections of one process that may keep more than a small slab of early bytes; others stop reading sooner. */
const LARGE_EARLY_LIMIT = 1024

/**
 * What a client sends before a gateway has accepted its connection: kept in the near side's slab, behind the room for a
 * preamble, so that both leave in one send and can be sent again to another gateway with another preamble.
 */
export class EarlyBytes {
  private readonly fields = new PreambleFields()

  constructor(
    private readonly loop: EpollLoop,
    private readonly slabs: Slabs,
    private readonly transfer: Transfer,
    instance: EdgeInstance,
  ) {
    this.fields.instance = instance.id
  }

  /** Puts the preamble for this gateway in front of the early bytes, all of it to be sent. */
  place(connection: EdgeConnection, gateway: EdgeGateway, key: PreambleKey): void {
    const {fields} = this
    const {service, near} = connection
    const slab = near.held as Slab
    fields.source = connection.source
    fields.sourcePort = connection.sourcePort
    fields.destination = service.origin
    fields.destinationPort = service.config.origin.port
    fields.timestamp = this.loop.unixNow
    fields.counter = connection.counter
    fields.audience = gateway.address.address
    fields.audiencePort = gateway.endpoint.port
    fields.challenge = connection.challenged ? connection.challenge : null
    const length = preambleLength(fields)
    writePreamble(slab.bytes, HEADROOM - length, fields, key, connection.preambleMac)
    connection.key = key
    near.heldAt = slab.address + HEADROOM - length
    near.heldLength = length + connection.earlyLength
  }

  /** Reads what the client has sent, as far as it may be kept; false when its socket has failed. */
  read(connection: EdgeConnection): boolean {
    const {near} = connection
    while (near.readable && !near.ended) {
      let slab = near.held as Slab
      let room = Math.min(slab.size - HEADROOM, EARLY_LIMIT) - connection.earlyLength
      if (room === 0) {
        if (!this.enlarge(connection)) return true
        slab = near.held as Slab
        room = EARLY_LIMIT - connection.earlyLength
      }

      const length = sys.recv(near.fd, slab.address + HEADROOM + connection.earlyLength, room, 0)
      if (length < 0) {
        if (errno() !== EAGAIN) return false
        near.readable = false
      } else if (length === 0) {
        this.transfer.noteEnd(near)
      } else {
        const start = HEADROOM + connection.earlyLength
        connection.earlyLength += length
        near.heldLength += length
        this.transfer.noteRead(near, slab.bytes, start, length, room)
      }
    }

    return true
  }

  /** A copy of the preamble that {@link EarlyBytes.place} has made last for a connection. */
  preambleOf(connection: EdgeConnection): Buffer {
    const {near} = connection
    const slab = near.held as Slab
    return Buffer.from(slab.bytes.subarray(near.heldAt - slab.address, HEADROOM))
  }

  /** The client's bytes that are kept. */
  bytesOf(connection: EdgeConnection): Buffer {
    return (connection.near.held as Slab).bytes.subarray(HEADROOM, HEADROOM + connection.earlyLength)
  }

  /** Takes up the bytes that another server had kept. @returns false when they are more than are kept */
  adopt(connection: EdgeConnection, parts: readonly Buffer[]): boolean {
    const total = parts.reduce((sum, part) => sum + part.length, 0)
    if (total > EARLY_LIMIT) return false
    const {near} = connection
    const slab = this.slabs.takeFor(HEADROOM + total)
    near.held = slab
    for (const part of parts) connection.earlyLength += part.copy(slab.bytes, HEADROOM + connection.earlyLength)
    near.heldAt = slab.address + HEADROOM
    near.heldLength = total
    return true
  }

  /** Puts a preamble that was sent before in front of the bytes again. */
  replace(connection: EdgeConnection, preamble: Buffer): void {
    const {near} = connection
    const slab = near.held as Slab
    preamble.copy(slab.bytes, HEADROOM - preamble.length)
    near.heldAt = slab.address + HEADROOM - preamble.length
    near.heldLength = preamble.length + connection.earlyLength
  }

  /** Moves the early bytes to a large slab; false when they fill one already, or too many do. */
  private enlarge(connection: EdgeConnection): boolean {
    const {near} = connection
    const small = near.held as Slab
    const {large} = this.slabs
    if (small.size === large.size || large.lent >= LARGE_EARLY_LIMIT) return false
    const slab = large.take()
    small.bytes.copy(slab.bytes, 0, 0, HEADROOM + connection.earlyLength)
    near.heldAt += slab.address - small.address
    near.held = slab
    this.slabs.give(small)
    return true
  }
}
