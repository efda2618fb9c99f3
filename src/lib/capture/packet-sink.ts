/** Takes the packets of a capture, one call each. */
export interface PacketSink {
  /**
   * @param bytes hold the packet at `at`, `length` bytes as captured; overwritten after the call
   * @param originalLength bytes on the wire
   * @param linkType what the packet begins with (link-types.ts)
   * @param seconds since 1970, UTC
   * @param nanoseconds 0 to 999,999,999
   */
  packet(
    bytes: Buffer,
    at: number,
    length: number,
    originalLength: number,
    linkType: number,
    seconds: number,
    nanoseconds: number,
  ): void
}

/** What a decoder of a capture format tells its reader besides packets. */
export interface DecoderEvents extends PacketSink {
  /**
   * @param offset in the capture, unzipped
   * @param problem in words
   * @param ended nothing after it can be read
   */
  problem(offset: number, problem: string, ended: boolean): void
  /** A packet that is in the file and cannot be used. @param reason in words */
  skipped(reason: string): void
}

/**
 * Reads one format out of a window over the capture, in place. Nothing is allocated for a packet.
 */
export interface FormatDecoder {
  /** E.g. `pcap, nanoseconds, big-endian`; empty until the header was read. */
  readonly format: string
  /** Bytes that must be in the window before it can go on. */
  readonly wanted: number
  /** Nothing more will come of it: a problem said so. */
  readonly ended: boolean
  /**
   * Takes what is whole of `bytes[from, to)`.
   *
   * @param offset of `bytes[from]` in the capture
   * @returns where it stopped in `bytes`; beyond `to` when bytes that are not there yet are of no use
   */
  decode(bytes: Buffer, from: number, to: number, offset: number): number
  /**
   * The capture is over. @param left bytes that `decode` did not take @param offset of the first of them
   */
  finish(left: number, offset: number): void
}

/** libpcap's MAXIMUM_SNAPLEN: a longer packet is taken for damage. */
export const LONGEST_PACKET = 262_144
