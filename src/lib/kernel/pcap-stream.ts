import {OverlayError} from '../errors/index.js'
import {allocate, sys} from './libc.js'
import {PcapHandle, type CaptureSettings} from './libpcap.js'

/** struct pcap_pkthdr: timeval (16 bytes, its second half in nanoseconds here), caplen, len. */
const HEADER_BYTES = 24
/** One packet's worth; what a capture keeps of a packet is at most so much. */
const SNAP_LENGTH = 65_535

/** A packet of a live capture. */
export interface CapturedFrame {
  /** Nanoseconds since 1970, UTC, by the kernel's timestamp. */
  timeNs: bigint
  /** What was kept of it, with its link header; a copy. */
  data: Buffer
  /** Its length on the wire. */
  originalLength: number
}

/** A capture whose packets are read one at a time, in the order in which they passed. */
export class PcapStream extends PcapHandle {
  /** See wire/link-layer.ts. */
  readonly linkType: number
  readonly #pointers = allocate(16)
  readonly #header = allocate(HEADER_BYTES)
  readonly #data = allocate(SNAP_LENGTH)

  /**
   * Opens the interface, handing packets over as they come.
   *
   * @throws OverlayError NOT_FOUND for the interface; PRIVILEGE_MISSING; USAGE for the filter
   */
  constructor(interfaceName: string, settings: Omit<CaptureSettings, 'immediate'> = {}) {
    super(interfaceName, {
      ...settings,
      snapLength: Math.min(SNAP_LENGTH, settings.snapLength ?? SNAP_LENGTH),
      immediate: true,
    })
    this.linkType = this.pcap.linkType(this.handle)
  }

  /**
   * The next packet, or null when none is waiting.
   *
   * @throws OverlayError SYSTEM_CALL_FAILED when the interface has gone
   */
  next(): CapturedFrame | null {
    const {address, bytes} = this.#pointers
    const status = this.pcap.nextPacket(this.handle, address, address + 8)
    if (status === 0) return null
    if (status < 0) throw this.failure('SYSTEM_CALL_FAILED', 'the capture failed')
    sys.memcpy(this.#header.address, Number(bytes.readBigUInt64LE(0)), HEADER_BYTES)
    const header = this.#header.bytes
    const length = header.readUInt32LE(16)
    if (length > SNAP_LENGTH) throw new OverlayError('SYSTEM_CALL_FAILED', `a captured packet of ${length} bytes`)
    sys.memcpy(this.#data.address, Number(bytes.readBigUInt64LE(8)), length)
    return {
      timeNs: header.readBigInt64LE(0) * 1_000_000_000n + header.readBigInt64LE(8),
      data: Buffer.from(this.#data.bytes.subarray(0, length)),
      originalLength: header.readUInt32LE(20),
    }
  }

  /** Packets that passed and were not kept: the kernel's buffer was full. */
  get lost(): number {
    return this.dropped()
  }
}
