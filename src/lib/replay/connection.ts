import type {CaptureProblem} from '../capture/capture-reader.js'
import type {List} from '../cli/made-list.js'
import type {StreamKeeper} from './analysis/stream-keeper.js'
import type {ScratchSpace} from './spill/scratch-space.js'

export type {CaptureProblem} from '../capture/capture-reader.js'

/**
 * A TCP connection as a capture shows it: what the analysis finds, and what model, reports and live mode start from.
 * Times are ms with µs precision (finer where the capture is); `…Ms` of a moment counts from the capture's first packet.
 */
export interface ReplayConnection {
  /** From 1, in the order of first packets over all files that were given: the same files give the same numbers. */
  id: number
  /** `ip:port` or `[ipv6]:port`. Who sent the SYN; without one see {@link ReplayConnection.excluded}. */
  client: string
  server: string
  /** Index into {@link Analysis.sources} of the file with its first packet. */
  source: number
  /** First and last packet. */
  startMs: number
  endMs: number
  /**
   * SYN to the ACK that completes the handshake, both as captured, as tshark's `tcp.analysis.initial_rtt` has it: from
   * the last copy of the SYN to the first segment after it that has ACK and not SYN. That may be an RST: {@link
   * ReplayConnection.refused}. Null when there is no such segment, or no SYN.
   */
  handshakeRttMs: number | null
  /** The server answered the SYN with an RST: a round trip, and no connection. */
  refused: boolean
  /** SYN to the first SYN/ACK (capture to server and back), from the last copy of the SYN before it. */
  serverRttMs: number | null
  /** Last SYN/ACK to the client's ACK (capture to client and back). */
  clientRttMs: number | null
  /** SYNs of the client beyond the first, with the same sequence number. */
  synRetransmissions: number
  synAckRetransmissions: number
  /** What was seen, as the bits of tshark's `tcp.completeness`, in this order. */
  completeness: CompletenessPart[]
  /** From the last byte of the client's first turn to the server's first byte, as captured; null without both. */
  requestToFirstByteMs: number | null
  vantage: Vantage
  /** What the vantage was told by, in words with the figures. */
  vantageBecause: string
  /** Of the last SYN and of the first SYN/ACK; null when it was not captured. */
  synOptions: SynOptions | null
  synAckOptions: SynOptions | null
  fromClient: DirectionTotals
  fromServer: DirectionTotals
  /** Who spoke when, at most {@link MAX_TURNS}: what comes later is added to the last one of its side. */
  turns: Turn[]
  /** Whether turns had to be merged for that bound. */
  turnsMerged: boolean
  /** Why this is no connection to reckon with; not there for one whose SYN was captured. */
  excluded?: ExclusionReason
  /** Only with {@link AnalysisOptions.streams}. */
  payloads?: {fromClient: CapturedStream; fromServer: CapturedStream}
}

export type CompletenessPart = 'syn' | 'syn-ack' | 'ack' | 'data' | 'fin' | 'rst'

/**
 * Where the capture stood. `near-client`: nearly all of the round trip lies between SYN and SYN/ACK. `near-server`:
 * nearly all of it between SYN/ACK and ACK. `between`: both have their share. `unknown`: no whole handshake.
 */
export type Vantage = 'near-client' | 'near-server' | 'between' | 'unknown'

/**
 * `mid-stream`: the capture has neither SYN nor SYN/ACK of it, so client and server are told by guess (the lower port
 * is the server's). `syn-not-captured`: it begins with the SYN/ACK.
 */
export type ExclusionReason = 'mid-stream' | 'syn-not-captured'

export interface SynOptions {
  /** Bytes; null when the option is not there, as for the others. */
  mss: number | null
  /** Shift count, 0 to 14 in what RFC 7323 allows, 255 at most in what was seen. */
  windowScale: number | null
  sackPermitted: boolean
  timestamps: boolean
  /** RFC 7413; a cookie or the request of one. */
  fastOpen: boolean
}

export interface DirectionTotals {
  /** Packets with or without payload. */
  segments: number
  /** Payload as captured on the wire, retransmissions included. */
  payloadBytes: number
  /** Length of the stream as far as it was seen, by sequence numbers: every byte once. */
  streamBytes: number
}

/** One side speaks until the other one does. */
export interface Turn {
  from: 'client' | 'server'
  /** New bytes of the stream, every byte once; those between two captured segments count too. */
  bytes: number
  /** First byte, as captured. */
  startMs: number
  /**
   * From the previous turn's last byte to this one's first, as captured; in the first turn from the end of the
   * handshake (the ACK; without it the connection's first packet).
   */
  gapMs: number
  /**
   * Pause of the program that spoke: the gap without the way between capture and speaker and back ({@link
   * ReplayConnection.serverRttMs} or {@link ReplayConnection.clientRttMs}), 0 at least.
   */
  thinkMs: number
  /** First byte of the turn to its last, as captured. */
  durationMs: number
}

/** The bytes of one direction in the order of the stream. */
export interface CapturedStream {
  /** From the first byte on, as many as the {@link StreamKeeper} keeps. What was not captured is zero. */
  bytes: Buffer
  /** Ranges of `bytes` that the capture does not have (snapped, lost), in ascending order, `to` exclusive. */
  missing: {from: number; to: number}[]
}

/** The most turns that are kept of a connection. */
export const MAX_TURNS = 1000

export interface AnalysisOptions {
  /** Takes the payloads of the connections that it was made for. */
  streams?: StreamKeeper
  /** A connection of which so many segments of the capture were none is put away; 16,384 unless given. */
  ageSegments?: number
  /** What the sources are called in results, one for each, instead of their paths. */
  names?: readonly string[]
  /** Called now and then. @param bytesRead of the files, as they lie on disk */
  onProgress?: (bytesRead: number, packets: number) => void
  /** Where lies what is not in memory; one of its own unless given. */
  scratch?: ScratchSpace
  /** Stops reading; what was read until then is the result. */
  signal?: AbortSignal
}

export interface SourceSummary {
  source: string
  format: string
  /** Names as of tcpdump.org/linktypes.html. */
  linkTypes: string[]
  packets: number
  /** Bytes of the capture, unzipped. */
  bytes: number
  tcpPackets: number
  /** Packets that were not TCP, or whose headers could not be read, by reason. */
  skipped: Record<string, number>
}

export interface Analysis {
  /** In the order of their first packets; each is made anew when it is asked for, so take it once. */
  connections: List<ReplayConnection>
  /** Packets of all sources, and bytes of them, unzipped. */
  packets: number
  bytes: number
  tcpPackets: number
  /** UTC time of the first packet, ns since 1970; null without packets. */
  startNs: bigint | null
  sources: SourceSummary[]
  /** Empty when everything was read; otherwise the command ends with exit code 2. */
  problems: CaptureProblem[]
  /** Where connections lie that are not in memory. */
  scratch: ScratchSpace
}
