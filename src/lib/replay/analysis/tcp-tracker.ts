import {MadeList} from '../../cli/made-list.js'
import type {PacketSink} from '../../capture/packet-sink.js'
import {linkTypeName} from '../../capture/link-types.js'
import {Located, LOCATED_WORDS, TcpLocator} from '../../capture/tcp-locator.js'
import {TcpFlag} from '../../wire/tcp-segment.js'
import type {ReplayConnection} from '../connection.js'
import {readConnection, writeConnection} from './connection-record.js'
import {connectionResult} from './connection-result.js'
import {FlowTable} from './flow-table.js'
import {RecordStore} from './record-store.js'
import {StreamStore} from './stream-store.js'
import {readSynOptions} from './syn-options.js'
import {SegmentFields, TrackedConnection} from './tracked-connection.js'

export interface TrackerOptions {
  /** The most payload that is kept of each direction, bytes; 0 for none. */
  payloadBytes: number
  /** Of the flow table's hash. */
  seed: number
  /** So many segments make an age. A connection of which none came during a whole age is put away as a record. */
  ageSegments: number
}

/** What was counted of one source. */
export interface SourceCounts {
  tcpPackets: number
  linkTypes: string[]
  skipped: Record<string, number>
}

/**
 * Follows every TCP connection of the packets that it is given, over several sources. Those that are silent, closed or
 * not, lie in a {@link RecordStore} until their next packet: only what is under way takes an object's memory.
 */
export class TcpTracker implements PacketSink {
  /** Second and nanosecond of the first packet, from which all times count. */
  #startSeconds = -1
  #startNanoseconds = 0
  #source = 0
  readonly #locator = new TcpLocator()
  readonly #flows: FlowTable
  readonly #records = new RecordStore()
  /** By flow, its last connection: itself, or its number when it is put away. */
  readonly #current: (TrackedConnection | number)[] = []
  /** Those that are not put away, in no order. */
  #live: TrackedConnection[] = []
  #connections = 0
  #age = 0
  #leftOfAge: number
  readonly #segment = new SegmentFields()
  /** By {@link Located}, of the present source. */
  readonly #counts = Array.from(LOCATED_WORDS, zero)
  readonly #linkTypes = new Set<number>()
  #linkType = -1

  constructor(private readonly options: TrackerOptions) {
    this.#flows = new FlowTable(options.seed)
    this.#leftOfAge = options.ageSegments
  }

  /** UTC, ns since 1970; null before the first packet. */
  get startNs(): bigint | null {
    if (this.#startSeconds === -1) return null
    return BigInt(this.#startSeconds) * 1_000_000_000n + BigInt(this.#startNanoseconds)
  }

  packet(
    bytes: Buffer,
    at: number,
    length: number,
    originalLength: number,
    linkType: number,
    seconds: number,
    nanoseconds: number,
  ): void {
    if (this.#startSeconds === -1) {
      this.#startSeconds = seconds
      this.#startNanoseconds = nanoseconds
    }

    if (linkType !== this.#linkType) {
      this.#linkType = linkType
      this.#linkTypes.add(linkType)
    }

    const locator = this.#locator
    const located = locator.locate(bytes, at, length, originalLength, linkType)
    this.#counts[located]++
    if (located !== Located.FOUND) return
    if (--this.#leftOfAge === 0) this.#endAge()
    this.#take(locator.bytes, locator.tcpAt, seconds, nanoseconds)
  }

  /** The source is over: its counts, and the next one begins. */
  endSource(): SourceCounts {
    const skipped: Record<string, number> = {}
    for (const [reason, count] of this.#counts.entries()) {
      if (reason !== Located.FOUND && count > 0) skipped[LOCATED_WORDS[reason]] = count
    }

    const counts = {
      tcpPackets: this.#counts[Located.FOUND],
      linkTypes: [...this.#linkTypes].map((linkType) => linkTypeName(linkType)),
      skipped,
    }
    this.#counts.fill(0)
    this.#linkTypes.clear()
    this.#linkType = -1
    this.#source++
    return counts
  }

  /**
   * All connections, in the order of their first packets; each is made anew when it is asked for. No packet may be given
   * after this.
   */
  results(): MadeList<ReplayConnection> {
    const live = new Map(this.#live.map((connection) => [connection.index, connection]))
    return new MadeList(this.#connections, (index) => {
      const connection = live.get(index) ?? this.#putAway(index)
      const seconds = connection.startSeconds - this.#startSeconds
      const startMs = seconds * 1000 + (connection.startNanoseconds - this.#startNanoseconds) / 1e6
      return connectionResult(connection, index + 1, startMs, this.#flows.endpoints(connection.flow))
    })
  }

  #take(bytes: Buffer, tcpAt: number, seconds: number, nanoseconds: number): void {
    const locator = this.#locator
    const flows = this.#flows
    const {ipv6, sourceAt, destinationAt, payloadAt, payloadLength} = locator
    let flow = flows.find(bytes, ipv6, sourceAt, destinationAt, tcpAt)
    const segment = this.#segment
    segment.from = flows.reversed ? 1 : 0
    segment.sequence = read32(bytes, tcpAt + 4)
    segment.acknowledgment = read32(bytes, tcpAt + 8)
    segment.flags = bytes[tcpAt + 13]
    segment.payloadLength = payloadLength
    let connection: TrackedConnection
    if (flow === -1) {
      flow = flows.insert()
      connection = this.#begin(flow, seconds, nanoseconds)
    } else {
      connection = this.#currentOf(flow)
      if (connection.isReplacedBy(segment)) connection = this.#begin(flow, seconds, nanoseconds)
    }

    connection.touched = this.#age
    const {startSeconds, startNanoseconds} = connection
    segment.timeMs = (seconds - startSeconds) * 1000 + (nanoseconds - startNanoseconds) / 1e6
    connection.take(segment)
    const direction = connection.directions[segment.from]
    if ((segment.flags & TcpFlag.SYN) !== 0) {
      direction.options = readSynOptions(bytes, tcpAt + 20, Math.min(payloadAt, payloadAt + locator.payloadCaptured))
    }

    if (direction.stream && payloadLength > 0 && direction.based) {
      const first = (segment.flags & TcpFlag.SYN) === 0 ? segment.sequence : segment.sequence + 1
      direction.stream.add((first - direction.base - 1) | 0, payloadLength, bytes, payloadAt, locator.payloadCaptured)
    }
  }

  #begin(flow: number, seconds: number, nanoseconds: number): TrackedConnection {
    const connection = new TrackedConnection(this.#connections++, flow, this.#source, seconds, nanoseconds)
    this.#current[flow] = connection
    this.#live.push(connection)
    const {payloadBytes} = this.options
    if (payloadBytes > 0)
      for (const direction of connection.directions) direction.stream = new StreamStore(payloadBytes)
    return connection
  }

  #currentOf(flow: number): TrackedConnection {
    const current = this.#current[flow]
    if (typeof current !== 'number') return current
    const connection = this.#putAway(current)
    this.#current[flow] = connection
    this.#live.push(connection)
    return connection
  }

  /** @param index of a connection that was put away */
  #putAway(index: number): TrackedConnection {
    return readConnection(this.#records.get(index)!, index)
  }

  /** What was silent for a whole age is put away. Payloads have no place in a record. */
  #endAge(): void {
    this.#leftOfAge = this.options.ageSegments
    if (this.options.payloadBytes > 0) return
    const still: TrackedConnection[] = []
    for (const connection of this.#live) {
      if (connection.touched === this.#age) {
        still.push(connection)
        continue
      }

      this.#records.put(connection.index, writeConnection(connection))
      if (this.#current[connection.flow] === connection) this.#current[connection.flow] = connection.index
    }

    this.#live = still
    this.#age++
  }
}

const zero = (): number => 0

function read32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
}
