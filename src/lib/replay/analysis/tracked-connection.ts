import {TcpFlag} from '../../wire/tcp-segment.js'
import {MAX_TURNS, type SynOptions} from '../connection.js'

/** Bits of what was seen of a connection, as tshark's `tcp.completeness` has them. */
export const Seen = {SYN: 1, SYN_ACK: 2, ACK: 4, DATA: 8, FIN: 16, RST: 32} as const

/** A segment further ahead than the largest window (RFC 7323 section 2.2) belongs to something else. */
const LARGEST_WINDOW = 2 ** 30

/** One direction. Sequence numbers are 32 bits taken as signed, and compared by their difference (RFC 9293 section 3.4). */
export class Direction {
  segments = 0
  payloadBytes = 0
  streamBytes = 0
  syns = 0
  synAcks = 0
  options: SynOptions | null = null
  /** Whether `base` and `next` are known. */
  based = false
  /** Of the SYN, seen or not. */
  base = 0
  /** Of the byte after the last that was seen. */
  next = 0

  /** As if it were new. */
  reset(): void {
    this.segments = 0
    this.payloadBytes = 0
    this.streamBytes = 0
    this.syns = 0
    this.synAcks = 0
    this.options = null
    this.based = false
    this.base = 0
    this.next = 0
  }
}

/** What one TCP header says, in fields that are filled anew for every packet. */
export class SegmentFields {
  /** Since the connection's first packet. */
  timeMs = 0
  /** 0 from the lower endpoint of the flow's key, 1 from the higher one. */
  from: 0 | 1 = 0
  sequence = 0
  acknowledgment = 0
  flags = 0
  payloadLength = 0
}

/**
 * A connection while packets come. Times in ms since its first packet, NaN for what was not seen: counted from so near,
 * nanoseconds stay exact whatever a damaged clock does elsewhere.
 */
export class TrackedConnection {
  /** Its place in the order of first packets, from 0. */
  index = 0
  /** Number of its addresses and ports in the flow table; -1 without one. */
  flow = -1
  source = 0
  /** Its first packet: since 1970, UTC. */
  startSeconds = 0
  startNanoseconds = 0
  readonly directions: readonly [Direction, Direction] = [new Direction(), new Direction()]
  endMs = 0
  /** Index of the direction that comes from the client; -1 as long as neither SYN nor SYN/ACK told. */
  client: -1 | 0 | 1 = -1
  /** Both sides sent a SYN (RFC 9293 section 3.5, simultaneous open). */
  simultaneous = false
  seen = 0
  /** The last SYN as long as the handshake lasts. */
  synMs = Number.NaN
  lastSynAckMs = Number.NaN
  serverRttMs = Number.NaN
  clientRttMs = Number.NaN
  handshakeRttMs = Number.NaN
  /** What ended the handshake. */
  ackMs = Number.NaN
  refused = false
  /** Three numbers a turn: bytes (negative from the server's side, that is direction 1), first and last byte's time. */
  turns: number[] = []
  turnsMerged = false
  /** When its last packet came, as the tracker counts. */
  touched = 0

  /** As if it were new: objects of connections that were put away are used again, since a collector would be slow to come. */
  begin(index: number, flow: number, source: number, startSeconds: number, startNanoseconds: number): this {
    this.index = index
    this.flow = flow
    this.source = source
    this.startSeconds = startSeconds
    this.startNanoseconds = startNanoseconds
    for (const direction of this.directions) direction.reset()
    this.endMs = 0
    this.client = -1
    this.simultaneous = false
    this.seen = 0
    this.synMs = Number.NaN
    this.lastSynAckMs = Number.NaN
    this.serverRttMs = Number.NaN
    this.clientRttMs = Number.NaN
    this.handshakeRttMs = Number.NaN
    this.ackMs = Number.NaN
    this.refused = false
    this.turns = []
    this.turnsMerged = false
    return this
  }

  /**
   * Whether a SYN or SYN/ACK begins another connection between the same ports: its sequence number is another one. A SYN
   * with the same number is the same SYN again, also after an RST (RFC 5961 section 4: a challenge ACK draws one).
   */
  isReplacedBy(segment: SegmentFields): boolean {
    const {flags, sequence, from} = segment
    if ((flags & TcpFlag.SYN) === 0) return false
    const direction = this.directions[from]
    if (!direction.based) return false
    if (sequence === direction.base) return false
    if ((flags & TcpFlag.ACK) === 0) return true
    // Another SYN/ACK during the handshake is another answer to the same SYN.
    const other = this.directions[1 - from]
    const answersOurSyn = other.syns > 0 && segment.acknowledgment === ((other.base + 1) | 0)
    return !answersOurSyn && (this.seen & (Seen.DATA | Seen.FIN | Seen.RST)) !== 0
  }

  /** Takes a segment into account; payload is stored by the caller. */
  take(segment: SegmentFields): void {
    const {flags, from} = segment
    const direction = this.directions[from]
    direction.segments++
    direction.payloadBytes += segment.payloadLength
    if (segment.timeMs > this.endMs) this.endMs = segment.timeMs
    if ((flags & TcpFlag.SYN) !== 0) this.#takeSyn(segment, direction)
    else if (!direction.based && (flags & TcpFlag.RST) === 0) {
      direction.based = true
      direction.base = (segment.sequence - 1) | 0
      direction.next = segment.sequence
    }

    if ((flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.ACK) this.#takeAck(segment)
    if (segment.payloadLength > 0) this.#takePayload(segment, direction)
    if ((flags & TcpFlag.FIN) !== 0) this.seen |= Seen.FIN
    if ((flags & TcpFlag.RST) !== 0) this.seen |= Seen.RST
  }

  #takeSyn({flags, sequence, timeMs, from}: SegmentFields, direction: Direction): void {
    if (!direction.based || (direction.base !== sequence && direction.streamBytes === 0)) {
      direction.based = true
      direction.base = sequence
      direction.next = (sequence + 1) | 0
    }

    if ((flags & TcpFlag.ACK) === 0) {
      const other = this.directions[1 - from]
      if (other.syns > 0) this.simultaneous = true
      else this.client = from
      direction.syns++
      this.seen |= Seen.SYN
      if (Number.isNaN(this.ackMs)) this.synMs = timeMs
      return
    }

    if (this.client === -1) this.client = from === 0 ? 1 : 0
    direction.synAcks++
    this.seen |= Seen.SYN_ACK
    this.lastSynAckMs = timeMs
    if (Number.isNaN(this.serverRttMs)) this.serverRttMs = timeMs - this.synMs
  }

  /** The first segment with ACK and without SYN after a SYN ends the handshake, as tshark has it: an RST refuses it. */
  #takeAck({flags, timeMs, from, payloadLength}: SegmentFields): void {
    if (payloadLength === 0) this.seen |= Seen.ACK
    if (!Number.isNaN(this.ackMs) || Number.isNaN(this.synMs)) return
    this.ackMs = timeMs
    this.handshakeRttMs = timeMs - this.synMs
    if ((flags & TcpFlag.RST) !== 0) this.refused = from !== this.client
    else if (from === this.client) this.clientRttMs = timeMs - this.lastSynAckMs
  }

  #takePayload({flags, sequence, timeMs, from, payloadLength}: SegmentFields, direction: Direction): void {
    this.seen |= Seen.DATA
    if (!direction.based) return
    const first = (flags & TcpFlag.SYN) === 0 ? sequence : (sequence + 1) | 0
    const advance = (first + payloadLength - direction.next) | 0
    if (advance <= 0 || advance > LARGEST_WINDOW + payloadLength) return
    direction.next = (direction.next + advance) | 0
    direction.streamBytes += advance
    this.#addTurn(from, advance, timeMs)
  }

  #addTurn(from: 0 | 1, bytes: number, timeMs: number): void {
    const {turns} = this
    const last = turns.length - 3
    const isOurs = (at: number): boolean => at >= 0 && turns[at] < 0 === (from === 1)
    let at = isOurs(last) ? last : -1
    if (at === -1 && turns.length >= MAX_TURNS * 3) {
      this.turnsMerged = true
      at = last - 3
    }

    if (at === -1) {
      turns.push(from === 1 ? -bytes : bytes, timeMs, timeMs)
      return
    }

    turns[at] += from === 1 ? -bytes : bytes
    turns[at + 2] = Math.max(turns[at + 2], timeMs)
  }
}
