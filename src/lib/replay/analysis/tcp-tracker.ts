import type {PacketSink} from '../../capture/packet-sink.js'
import {linkTypeName} from '../../capture/link-types.js'
import {Located, LOCATED_WORDS, TcpLocator} from '../../capture/tcp-locator.js'
import {formatAddress, formatEndpoint} from '../../wire/endpoint.js'
import {TcpFlag} from '../../wire/tcp-segment.js'
import type {ReplayConnection} from '../connection.js'
import {connectionResult, type FlowEndpoints} from './connection-result.js'
import {FlowTable} from './flow-table.js'
import {StreamStore} from './stream-store.js'
import {readSynOptions} from './syn-options.js'
import {SegmentFields, TrackedConnection} from './tracked-connection.js'

export interface TrackerOptions {
  /** The most payload that is kept of each direction, bytes; 0 for none. */
  payloadBytes: number
  /** Of the flow table's hash. */
  seed: number
}

/** What was counted of one source. */
export interface SourceCounts {
  tcpPackets: number
  linkTypes: string[]
  skipped: Record<string, number>
}

/** Follows every TCP connection of the packets that it is given, over several sources. */
export class TcpTracker implements PacketSink {
  /** Second and nanosecond of the first packet, from which all times count. */
  #startSeconds = -1
  #startNanoseconds = 0
  #source = 0
  readonly #locator = new TcpLocator()
  readonly #flows: FlowTable
  readonly #endpoints: FlowEndpoints[] = []
  readonly #current: TrackedConnection[] = []
  readonly #connections: TrackedConnection[] = []
  readonly #segment = new SegmentFields()
  /** By {@link Located}, of the present source. */
  readonly #counts = Array.from(LOCATED_WORDS, zero)
  readonly #linkTypes = new Set<number>()
  #linkType = -1

  constructor(private readonly options: TrackerOptions) {
    this.#flows = new FlowTable(options.seed)
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

  /** All connections, in the order of their first packets. */
  results(): ReplayConnection[] {
    return this.#connections.map((connection, index) => {
      const endpoints = this.#endpoints[connection.flow]
      const seconds = connection.startSeconds - this.#startSeconds
      const startMs = seconds * 1000 + (connection.startNanoseconds - this.#startNanoseconds) / 1e6
      return connectionResult(connection, index + 1, startMs, endpoints)
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
    if (flow === -1) {
      flow = flows.insert()
      this.#endpoints.push(endpointsOf(bytes, ipv6, sourceAt, destinationAt, tcpAt, flows.reversed))
      this.#begin(flow, seconds, nanoseconds)
    } else if (this.#current[flow].isReplacedBy(segment)) this.#begin(flow, seconds, nanoseconds)

    const connection = this.#current[flow]
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

  #begin(flow: number, seconds: number, nanoseconds: number): void {
    const connection = new TrackedConnection(flow, this.#source, seconds, nanoseconds)
    this.#current[flow] = connection
    this.#connections.push(connection)
    const {payloadBytes} = this.options
    if (payloadBytes === 0) return
    for (const direction of connection.directions) direction.stream = new StreamStore(payloadBytes)
  }
}

const zero = (): number => 0

function endpointsOf(
  bytes: Buffer,
  ipv6: boolean,
  sourceAt: number,
  destinationAt: number,
  portsAt: number,
  reversed: boolean,
): FlowEndpoints {
  const source = endpoint(bytes, ipv6, sourceAt, portsAt)
  const destination = endpoint(bytes, ipv6, destinationAt, portsAt + 2)
  return reversed ? [destination, source] : [source, destination]
}

function endpoint(bytes: Buffer, ipv6: boolean, at: number, portAt: number): string {
  const address = ipv6 ? formatAddress(bytes.subarray(at, at + 16)) : bytes.subarray(at, at + 4).join('.')
  return formatEndpoint({address, port: bytes.readUInt16BE(portAt)})
}

function read32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
}
