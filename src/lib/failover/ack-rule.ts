import {PcapReader} from '../capture/pcap-reader.js'
import {formatAddress} from '../wire/endpoint.js'
import {readFarLeg} from '../wire/far-leg.js'
import {readLegRecord, type LegRecord} from '../wire/leg-record.js'
import {FrameParser, FrameType, type FrameHeader} from '../wire/replication-frame.js'
import {decodeEthernet, TcpFlag, type TcpSegment} from '../wire/tcp-segment.js'

/** Violations that are kept; all are counted. */
const KEPT = 20

export interface AckRuleResult {
  /** Acknowledgements of replicated connections that were looked at. */
  checked: number
  /** Segments of the peers' connections in all. */
  segments: number
  violations: number
  /** The first of them: when (ms since the first packet), whose, by how many bytes too much. */
  examples: {atMs: number; peer: string; excess: number}[]
}

/** One leg as the replication link has told of it. */
interface KnownLeg {
  /** Sequence number of the peer's first byte. */
  first: number
  /** What the backup has acknowledged: an offset, the peer's FIN counted as one more. */
  held: number
}

/** One direction of a TCP connection, put in order. */
class ByteStream {
  #next: number | null = null
  readonly #waiting = new Map<number, Buffer>()

  constructor(private readonly deliver: (bytes: Buffer) => void) {}

  begin(isn: number): void {
    this.#next = (isn + 1) >>> 0
    this.#waiting.clear()
  }

  push(sequence: number, bytes: Buffer): void {
    if (this.#next === null || bytes.length === 0) return
    const behind = (sequence - this.#next) | 0
    if (behind > 0) {
      const known = this.#waiting.get(sequence)
      if (known === undefined || known.length < bytes.length) this.#waiting.set(sequence, bytes)
      return
    }

    if (-behind >= bytes.length) return
    const fresh = bytes.subarray(-behind)
    this.#next = (this.#next + fresh.length) >>> 0
    this.deliver(fresh)
    for (const [at, later] of this.#waiting) {
      if (((at - this.#next) | 0) > 0) continue
      this.#waiting.delete(at)
      this.push(at, later)
      return
    }
  }
}

/**
 * Reads the replication link: which connections there are, and what the backup has acknowledged of each. Frames count
 * from the moment that their last byte was captured at the owner.
 */
class LinkReader {
  readonly legs = new Map<string, KnownLeg>()
  readonly #flows = new Map<number, [KnownLeg | null, KnownLeg | null]>()
  readonly #streams = new Map<string, {stream: ByteStream; parser: FrameParser}>()

  segment(segment: TcpSegment, payload: Buffer): void {
    const name = `${segment.source} ${segment.sourcePort} ${segment.destinationPort}`
    let direction = this.#streams.get(name)
    if (direction === undefined || (segment.flags & TcpFlag.SYN) !== 0) {
      const parser = this.#parser()
      direction = {parser, stream: new ByteStream((bytes) => parser.push(bytes))}
      this.#streams.set(name, direction)
    }

    if ((segment.flags & TcpFlag.SYN) === 0) {
      direction.stream.push(segment.sequence, payload)
    } else {
      direction.stream.begin(segment.sequence)
    }
  }

  #parser(): FrameParser {
    const parser: FrameParser = new FrameParser({
      frame: (header, payload) => {
        // AUTH is the last frame of a set-up in each direction.
        if (header.type === FrameType.AUTH) parser.setup = false
        this.#frame(header, payload)
      },
      data() {},
    })
    return parser
  }

  #frame({type, flow: id, direction, offset}: FrameHeader, payload: Buffer): void {
    const flow = this.#flows.get(id)
    switch (type) {
      case FrameType.SNAPSHOT_BEGIN: {
        this.#flows.clear()

        break
      }

      case FrameType.FLOW: {
        const near = readLegRecord(payload, 0)
        if (near !== null) this.#flows.set(id, [this.#leg(near, offset), null])

        break
      }

      case FrameType.LEG: {
        const far = readFarLeg(payload)
        if (far !== null && flow !== undefined) flow[1] = this.#leg(far.record, 0)

        break
      }

      case FrameType.ACK: {
        // An owner's ACK frames trim; they have no offset.
        const leg = flow?.[direction]
        if (leg) leg.held = Math.max(leg.held, offset)

        break
      }
      // No default
    }
  }

  #leg({local, remote, irs}: LegRecord, held: number): KnownLeg {
    const leg = {first: (irs + 1) >>> 0, held}
    this.legs.set(nameOf(local.port, formatAddress(remote.address), remote.port), leg)
    return leg
  }
}

const nameOf = (localPort: number, peer: string, peerPort: number): string => `${localPort} ${peer} ${peerPort}`

/**
 * Proves, or disproves, from packets captured at the owner that no acknowledgement left a virtual address for a byte (or a
 * FIN) that the backup had not acknowledged. Both captures are of one host, whole packets, from before the connections.
 *
 * @param peers capture of the interface toward clients or origins
 * @param link capture of the replication link
 * @param virtualAddress whose acknowledgements are looked at
 * @throws OverlayError NOT_FOUND, INPUT_INVALID for a file; ReplicationProtocolError when the link's bytes are no frames
 */
export function checkAckRule(peers: string, link: string, virtualAddress: string): AckRuleResult {
  const result: AckRuleResult = {checked: 0, segments: 0, violations: 0, examples: []}
  const reader = new LinkReader()
  const packets = [...read(peers, false), ...read(link, true)].sort((one, other) =>
    one.timeNs < other.timeNs ? -1 : 1,
  )
  const begin = packets[0]?.timeNs ?? 0n
  /** Peers' first bytes, from their SYNs: for connections that the link has not told of yet. */
  const opening = new Map<string, number>()
  for (const {timeNs, segment, payload, ofLink} of packets) {
    if (ofLink) {
      reader.segment(segment, payload)
      continue
    }

    result.segments++
    if (segment.destination === virtualAddress && (segment.flags & TcpFlag.SYN) !== 0) {
      const name = nameOf(segment.destinationPort, segment.source, segment.sourcePort)
      opening.set(name, (segment.sequence + 1) >>> 0)
      reader.legs.delete(name)
    }

    const acknowledges = (segment.flags & (TcpFlag.SYN | TcpFlag.RST | TcpFlag.ACK)) === TcpFlag.ACK
    if (segment.source !== virtualAddress || !acknowledges) continue
    const name = nameOf(segment.sourcePort, segment.destination, segment.destinationPort)
    const leg = reader.legs.get(name)
    const first = leg?.first ?? opening.get(name)
    if (first === undefined) continue
    result.checked++
    const excess = (segment.acknowledgment - first - (leg?.held ?? 0)) | 0
    if (excess <= 0) continue
    result.violations++
    if (result.examples.length < KEPT) {
      result.examples.push({
        atMs: Number(timeNs - begin) / 1e6,
        peer: `${segment.destination} ${segment.destinationPort}`,
        excess,
      })
    }
  }

  return result
}

interface Packet {
  timeNs: bigint
  segment: TcpSegment
  payload: Buffer
  ofLink: boolean
}

function* read(file: string, ofLink: boolean): Generator<Packet> {
  for (const {timeNs, data} of PcapReader.open(file)) {
    const segment = decodeEthernet(data)
    if (segment === null) continue
    yield {timeNs, segment, payload: ofLink ? Buffer.from(segment.payload) : EMPTY, ofLink}
  }
}

const EMPTY = Buffer.alloc(0)
