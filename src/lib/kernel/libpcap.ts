import koffi from 'koffi'

import {OverlayError} from '../errors/index.js'
import {allocate} from './libc.js'

/** pcap.h and pcap/dlt.h */
const PCAP_TSTAMP_PRECISION_NANO = 1
const PCAP_NETMASK_UNKNOWN = 0xffffffff
const PCAP_ERROR_PERM_DENIED = -8
const PCAP_ERRBUF_SIZE = 256
/** struct bpf_program: a count and a pointer. */
const BPF_PROGRAM_BYTES = 16
/** struct pcap_stat: ps_recv, ps_drop, ps_ifdrop. */
const PCAP_STAT_BYTES = 12

type Call = (...values: (number | string)[]) => number

/** Loaded at first use: only those who capture need the library. */
let library: ReturnType<typeof load> | undefined

function load() {
  let lib: ReturnType<typeof koffi.load>
  try {
    lib = koffi.load('libpcap.so.0.8')
  } catch (error) {
    throw new OverlayError('PROGRAM_MISSING', 'libpcap.so.0.8 is not installed', {
      cause: error,
      suggestions: ['npm run setup', 'apt-get install libpcap0.8'],
    })
  }

  const call = (prototype: string): Call => lib.func(prototype) as Call
  return {
    create: call('int64_t pcap_create(const char *, int64_t)'),
    setSnaplen: call('int pcap_set_snaplen(int64_t, int)'),
    setTimeout: call('int pcap_set_timeout(int64_t, int)'),
    setBufferSize: call('int pcap_set_buffer_size(int64_t, int)'),
    setPrecision: call('int pcap_set_tstamp_precision(int64_t, int)'),
    setImmediate: call('int pcap_set_immediate_mode(int64_t, int)'),
    activate: call('int pcap_activate(int64_t)'),
    setNonblock: call('int pcap_setnonblock(int64_t, int, int64_t)'),
    compile: call('int pcap_compile(int64_t, int64_t, const char *, int, uint32_t)'),
    setFilter: call('int pcap_setfilter(int64_t, int64_t)'),
    freeCode: call('void pcap_freecode(int64_t)'),
    linkType: call('int pcap_datalink(int64_t)'),
    nextPacket: call('int pcap_next_ex(int64_t, int64_t, int64_t)'),
    dispatch: call('int pcap_dispatch(int64_t, int, int64_t, int64_t)'),
    stats: call('int pcap_stats(int64_t, int64_t)'),
    dumpOpen: call('int64_t pcap_dump_open(int64_t, const char *)'),
    dumpFlush: call('int pcap_dump_flush(int64_t)'),
    dumpClose: call('void pcap_dump_close(int64_t)'),
    close: call('void pcap_close(int64_t)'),
    getError: lib.func('const char *pcap_geterr(int64_t)') as (handle: number) => string,
    /** The C function that writes one packet: handed to pcap_dispatch, so no JavaScript runs per packet. */
    dumpPacket: Number(koffi.address(lib.symbol('pcap_dump', 'void *'))),
  }
}

export interface CaptureSettings {
  /** pcap-filter(7); everything when not given. */
  filter?: string
  /** Bytes kept of each packet; default 65535. */
  snapLength?: number
  /** Packets are handed over as they come, and not up to {@link BLOCK_TIMEOUT_MS} later. */
  immediate?: boolean
}

/** A capture of one interface, in the network namespace of this process; timestamps in nanoseconds. */
export class PcapHandle {
  protected readonly pcap: NonNullable<typeof library>
  protected readonly handle: number

  /**
   * Opens the interface. Packets are collected from now on.
   *
   * @throws OverlayError NOT_FOUND for the interface; PRIVILEGE_MISSING; USAGE for the filter
   */
  constructor(interfaceName: string, settings: CaptureSettings = {}) {
    library ??= load()
    this.pcap = library
    const errors = allocate(PCAP_ERRBUF_SIZE)
    this.handle = this.pcap.create(interfaceName, errors.address)
    if (this.handle === 0) throw new OverlayError('SYSTEM_CALL_FAILED', `pcap_create ${interfaceName} failed`)
    try {
      this.#open(interfaceName, settings, errors.address)
    } catch (error) {
      this.pcap.close(this.handle)
      throw error
    }
  }

  /** Packets that the kernel dropped because the buffer was full. */
  protected dropped(): number {
    const stats = allocate(PCAP_STAT_BYTES)
    return this.pcap.stats(this.handle, stats.address) === 0 ? stats.bytes.readUInt32LE(4) : 0
  }

  close(): void {
    this.pcap.close(this.handle)
  }

  #open(interfaceName: string, settings: CaptureSettings, errors: number): void {
    const {pcap, handle} = this
    pcap.setSnaplen(handle, settings.snapLength ?? 65_535)
    pcap.setTimeout(handle, BLOCK_TIMEOUT_MS)
    pcap.setBufferSize(handle, 16 * 1024 * 1024)
    pcap.setPrecision(handle, PCAP_TSTAMP_PRECISION_NANO)
    pcap.setImmediate(handle, settings.immediate ? 1 : 0)
    const status = pcap.activate(handle)
    if (status === PCAP_ERROR_PERM_DENIED) {
      throw this.failure('PRIVILEGE_MISSING', `capture on ${interfaceName}: not permitted`)
    }

    if (status < 0) throw this.failure('NOT_FOUND', `interface ${interfaceName} cannot be captured`)
    pcap.setNonblock(handle, 1, errors)
    if (settings.filter) this.#setFilter(settings.filter)
  }

  #setFilter(filter: string): void {
    const program = allocate(BPF_PROGRAM_BYTES)
    if (this.pcap.compile(this.handle, program.address, filter, 1, PCAP_NETMASK_UNKNOWN) !== 0) {
      throw this.failure('USAGE', `"${filter}" is not a capture filter`)
    }

    const status = this.pcap.setFilter(this.handle, program.address)
    this.pcap.freeCode(program.address)
    if (status !== 0) throw this.failure('SYSTEM_CALL_FAILED', `the filter "${filter}" was not taken`)
  }

  protected failure(
    code: 'NOT_FOUND' | 'PRIVILEGE_MISSING' | 'SYSTEM_CALL_FAILED' | 'USAGE',
    message: string,
  ): OverlayError {
    return new OverlayError(code, message, {cause: this.pcap.getError(this.handle)})
  }
}

/** A capture into a pcap file with nanosecond timestamps (magic a1b23c4d). */
export class PcapFile extends PcapHandle {
  readonly #dumper: number
  #packets = 0

  /**
   * Opens the interface and the file. Packets are collected from now on, and written by `drain`.
   *
   * @throws OverlayError NOT_FOUND for the interface, or a file that cannot be made; PRIVILEGE_MISSING; USAGE for the
   * filter
   */
  constructor(interfaceName: string, file: string, settings: CaptureSettings = {}) {
    super(interfaceName, settings)
    this.#dumper = this.pcap.dumpOpen(this.handle, file)
    if (this.#dumper === 0) {
      const error = this.failure('NOT_FOUND', `capture file ${file} cannot be written`)
      super.close()
      throw error
    }
  }

  /** Writes what has been collected and flushes the file; gives the number of packets written by this call. */
  drain(): number {
    let written = 0
    for (;;) {
      const count = this.pcap.dispatch(this.handle, -1, this.pcap.dumpPacket, this.#dumper)
      if (count < 0) throw this.failure('SYSTEM_CALL_FAILED', 'the capture failed')
      if (count === 0) break
      written += count
    }

    if (written > 0) this.pcap.dumpFlush(this.#dumper)
    this.#packets += written
    return written
  }

  /** Packets written so far, and packets that the kernel dropped because the buffer was full. */
  counts(): {packets: number; dropped: number} {
    return {packets: this.#packets, dropped: this.dropped()}
  }

  override close(): void {
    this.pcap.dumpClose(this.#dumper)
    super.close()
  }
}

/** How long the kernel may keep a packet before the library sees it: the block timeout of packet(7)'s TPACKET_V3. */
export const BLOCK_TIMEOUT_MS = 10
