import {MadeList} from '../../cli/made-list.js'
import type {PacketSink} from '../../capture/packet-sink.js'
import {linkTypeName} from '../../capture/link-types.js'
import {Located, LOCATED_WORDS, TcpLocator} from '../../capture/tcp-locator.js'
import {TcpFlag} from '../../wire/tcp-segment.js'
import type {ReplayConnection} from '../connection.js'
import {HashIndex} from '../spill/hash-index.js'
import type {ScratchSpace} from '../spill/scratch-space.js'
import {readConnection, readKey, writeConnection} from './connection-record.js'
import {connectionResult} from './connection-result.js'
import {endpointsOf, KEY_WORDS} from './flow-key.js'
import {FlowTable} from './flow-table.js'
import {RecordStore} from './record-store.js'
import type {StreamKeeper} from './stream-keeper.js'
import {readSynOptions} from './syn-options.js'
import {SegmentFields, TrackedConnection} from './tracked-connection.js'

export interface TrackerOptions {
  /** Takes payloads; null when none are wanted. */
  streams: StreamKeeper | null
  /** Of the flow table's hash. */
  seed: number
  /** So many segments make an age. A connection of which none came during a whole age is put away as a record. */
  ageSegments: number
  /** Where lies what is put away. */
  scratch: ScratchSpace
}

/** What was counted of one source. */
export interface SourceCounts {
  tcpPackets: number
  linkTypes: string[]
  skipped: Record<string, number>
}

/**
 * Follows every TCP connection of the packets that it is given, over several sources. Those that are silent, closed or
 * not, lie in a {@link RecordStore} until their next packet: only what is under way takes memory.
 */
export class TcpTracker implements PacketSink {
  /** Second and nanosecond of the first packet, from which all times count. */
  #startSeconds = -1
  #startNanoseconds = 0
  #source = 0
  readonly #locator = new TcpLocator()
  /** Those whose last connection is not put away. */
  readonly #flows: FlowTable
  /** By flow, its last connection. */
  readonly #current: TrackedConnection[] = []
  /** By flow, the number under which `#putAway` has it; -1 for none. */
  readonly #knownAs: number[] = []
  /** Of every flow that was put away, its last connection then. */
  readonly #putAway: HashIndex
  readonly #records: RecordStore
  readonly #key = new Int32Array(KEY_WORDS)
  /** Those that are not put away, in no order. */
  #live: TrackedConnection[] = []
  /** Objects of some that are. */
  readonly #unused: TrackedConnection[] = []
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
    this.#putAway = new HashIndex(options.scratch)
    this.#records = new RecordStore(options.scratch)
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
    const scratch = new TrackedConnection()
    return new MadeList(this.#connections, (index) => {
      const connection = live.get(index) ?? readConnection(this.#records.get(index)!, index, -1, scratch)
      if (connection.flow === -1) readKey(this.#records.get(index)!, this.#key)
      const key = connection.flow === -1 ? this.#key : this.#flows.keyOf(connection.flow)
      const seconds = connection.startSeconds - this.#startSeconds
      const startMs = seconds * 1000 + (connection.startNanoseconds - this.#startNanoseconds) / 1e6
      return connectionResult(connection, index + 1, startMs, endpointsOf(key), this.options.streams?.of(index))
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
      const known = this.#putAway.lookUp(flows.hash, this.#isLookedFor)
      flow = flows.insert()
      this.#knownAs[flow] = known
      connection = known === -1 ? this.#begin(flow, seconds, nanoseconds) : this.#takeOut(known, flow)
    } else connection = this.#current[flow]
    if (connection.isReplacedBy(segment)) connection = this.#begin(flow, seconds, nanoseconds)

    connection.touched = this.#age
    const {startSeconds, startNanoseconds} = connection
    segment.timeMs = (seconds - startSeconds) * 1000 + (nanoseconds - startNanoseconds) / 1e6
    connection.take(segment)
    const direction = connection.directions[segment.from]
    if ((segment.flags & TcpFlag.SYN) !== 0) {
      direction.options = readSynOptions(bytes, tcpAt + 20, Math.min(payloadAt, payloadAt + locator.payloadCaptured))
    }

    const {streams} = this.options
    if (streams !== null && payloadLength > 0 && direction.based) {
      const first = (segment.flags & TcpFlag.SYN) === 0 ? segment.sequence : segment.sequence + 1
      const offset = (first - direction.base - 1) | 0
      const stream = streams.of(connection.index)?.[segment.from]
      stream?.add(offset, payloadLength, bytes, payloadAt, locator.payloadCaptured)
    }
  }

  #begin(flow: number, seconds: number, nanoseconds: number): TrackedConnection {
    const connection = this.#unused.pop() ?? new TrackedConnection()
    connection.begin(this.#connections++, flow, this.#source, seconds, nanoseconds)
    this.#current[flow] = connection
    this.#live.push(connection)
    return connection
  }

  #takeOut(index: number, flow: number): TrackedConnection {
    const connection = readConnection(this.#records.get(index)!, index, flow, this.#unused.pop())
    this.#current[flow] = connection
    this.#live.push(connection)
    return connection
  }

  /** Whether a connection that was put away is of the flow that was looked for last. */
  readonly #isLookedFor = (index: number): boolean => {
    readKey(this.#records.get(index)!, this.#key)
    return this.#flows.isLookedFor(this.#key)
  }

  /** What was silent for a whole age is put away. */
  #endAge(): void {
    this.#leftOfAge = this.options.ageSegments
    const flows = this.#flows
    const still: TrackedConnection[] = []
    const silent: number[] = []
    for (const connection of this.#live) {
      const {flow, index, touched} = connection
      if (touched === this.#age) {
        still.push(connection)
        continue
      }

      this.#records.put(index, writeConnection(connection, flows.keyOf(flow)))
      this.#unused.push(connection)
      if (this.#current[flow] !== connection) continue
      this.#putAway.set(flows.hashOf(flow), index, this.#knownAs[flow])
      silent.push(flow)
    }

    // Only now, since an earlier connection of the same flow may have come later in the list.
    for (const flow of silent) flows.remove(flow)
    this.#live = still
    this.#age++
  }
}

const zero = (): number => 0

function read32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
}
