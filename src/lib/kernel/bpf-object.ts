import koffi from 'koffi'
import {basename} from 'node:path'

import {OverlayError} from '../errors/index.js'
import {BpfMap} from './bpf-map.js'
import {EEXIST, errnoName} from './errno.js'
import {errno} from './libc.js'
import {libbpf, libbpfFailure, type Pointer, takeMessages} from './libbpf.js'

export interface OpenOptions {
  /** A directory on a bpffs: maps marked LIBBPF_PIN_BY_NAME are taken from it, or pinned there. */
  pinDirectory?: string
  /** Programs not to load, e.g. because this kernel lacks what they need. */
  without?: string[]
}

/** One loaded .o file. Attached programs and pinned maps live on after close(). */
export class BpfObject {
  readonly #object: Pointer
  readonly #name: string

  private constructor(object: Pointer, name: string) {
    this.#object = object
    this.#name = name
  }

  /**
   * Opens and loads an object file.
   *
   * @throws OverlayError KERNEL_FEATURE_MISSING with what libbpf or the verifier said, PRIVILEGE_MISSING,
   * PROGRAM_MISSING without libbpf or the file
   */
  static load(path: string, options: OpenOptions = {}): BpfObject {
    const name = basename(path)
    // struct bpf_object_open_opts: sz, object_name, relaxed_maps, pin_root_path
    const opts = Buffer.alloc(32)
    opts.writeBigUInt64LE(32n, 0)
    const pin = options.pinDirectory === undefined ? null : Buffer.from(options.pinDirectory + '\0')
    if (pin) opts.writeBigUInt64LE(koffi.address(pin) as bigint, 24)
    const object = libbpf().objectOpen(path, opts)
    if (!object) {
      throw new OverlayError('PROGRAM_MISSING', `cannot open the BPF object ${name}`, {
        cause: takeMessages().join('\n') || errnoName(errno()),
        suggestions: ['npm run build'],
      })
    }

    for (const program of options.without ?? []) {
      const found = libbpf().findProgram(object, program)
      if (found) libbpf().setAutoload(found, false)
    }

    const code = libbpf().objectLoad(object)
    if (code !== 0) {
      libbpf().objectClose(object)
      libbpfFailure(`load the BPF object ${name}`, code)
    }

    return new BpfObject(object, name)
  }

  /** @throws OverlayError INTERNAL when the object has no such map */
  getMap(name: string): BpfMap {
    const map = this.#findMap(name)
    return new BpfMap(libbpf().mapFd(map), libbpf().mapKeySize(map), libbpf().mapValueSize(map))
  }

  /** The descriptor of a loaded program. */
  programFd(name: string): number {
    return libbpf().programFd(this.#findProgram(name))
  }

  /**
   * Attaches a sock_ops program to a cgroup by a pinned link, or puts it in the place of the one that an earlier pin
   * holds.
   *
   * @param cgroupFd a descriptor of the cgroup's directory
   * @param pin where the link is pinned; removing that file detaches
   */
  attachCgroup(program: string, cgroupFd: number, pin: string): void {
    const found = this.#findProgram(program)
    const existing = libbpf().linkOpen(pin)
    if (existing) {
      const code = libbpf().linkUpdate(existing, found)
      libbpf().linkDestroy(existing)
      if (code !== 0) libbpfFailure(`replace ${program}`, code)
      return
    }

    const link = libbpf().attachCgroup(found, cgroupFd)
    if (!link) libbpfFailure(`attach ${program} to the cgroup`, errno())
    const code = libbpf().linkPin(link, pin)
    libbpf().linkDestroy(link)
    if (code !== 0) libbpfFailure(`pin ${program}`, code)
  }

  /** Registers a struct_ops map; it stays registered when the process ends. False when that name is taken. */
  registerStructOps(map: string): boolean {
    const link = libbpf().attachStructOps(this.#findMap(map))
    if (!link) {
      if (errno() === EEXIST) return false
      libbpfFailure(`register ${map}`, errno())
    }

    libbpf().linkDisconnect(link)
    libbpf().linkDestroy(link)
    return true
  }

  /**
   * Runs a TC program once on a packet (BPF_PROG_TEST_RUN) and returns its verdict. For tests.
   *
   * @param packet an Ethernet frame
   */
  testRun(program: string, packet: Buffer): number {
    const fd = this.programFd(program)
    const opts = Buffer.alloc(120)
    opts.writeBigUInt64LE(BigInt(opts.length), 0)
    const data = Buffer.allocUnsafeSlow(packet.length)
    packet.copy(data)
    // struct bpf_test_run_opts: sz, data_in, data_out, data_size_in, data_size_out, ctx_in, ctx_out, ctx sizes, retval
    opts.writeBigUInt64LE(koffi.address(data) as bigint, 8)
    opts.writeUInt32LE(data.length, 24)
    const code = libbpf().testRun(fd, opts)
    if (code !== 0) libbpfFailure(`run ${program}`, code)
    return opts.readUInt32LE(56)
  }

  close(): void {
    libbpf().objectClose(this.#object)
  }

  #findMap(name: string): Pointer {
    const map = libbpf().findMap(this.#object, name)
    if (!map) throw new OverlayError('INTERNAL', `${this.#name} has no map ${name}`)
    return map
  }

  #findProgram(name: string): Pointer {
    const program = libbpf().findProgram(this.#object, name)
    if (!program) throw new OverlayError('INTERNAL', `${this.#name} has no program ${name}`)
    return program
  }
}
