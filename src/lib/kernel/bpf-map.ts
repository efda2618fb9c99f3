import {ENOENT} from './errno.js'
import {errno, sys} from './libc.js'
import {libbpf, libbpfFailure} from './libbpf.js'

/** A map, by descriptor. Keys and values are the bytes that the BPF side sees, in the machine's byte order. */
export class BpfMap {
  readonly fd: number
  readonly keySize: number
  readonly valueSize: number
  readonly #value: Buffer

  /** @param valueSize bytes of one value; for a per-CPU map the sum over CPUs, each rounded up to 8 */
  constructor(fd: number, keySize: number, valueSize: number) {
    this.fd = fd
    this.keySize = keySize
    this.valueSize = valueSize
    this.#value = Buffer.alloc(valueSize)
  }

  /** The value, in a buffer that the next call overwrites, or null when there is no such key. */
  lookup(key: Buffer): Buffer | null {
    const code = libbpf().lookup(this.fd, key, this.#value)
    if (code === 0) return this.#value
    if (-code === ENOENT || errno() === ENOENT) return null
    return libbpfFailure('read a BPF map', code)
  }

  /** Writes a value, whether or not the key is there. */
  update(key: Buffer, value: Buffer): void {
    const code = libbpf().update(this.fd, key, value, 0)
    if (code !== 0) libbpfFailure('write a BPF map', code)
  }

  /** Removes a key; one that is not there is no error. */
  delete(key: Buffer): void {
    libbpf().delete(this.fd, key)
  }

  /** Closes the descriptor; pinned, the map lives on. */
  close(): void {
    sys.close(this.fd)
  }

  /** All keys as they stand, each a copy. */
  keys(): Buffer[] {
    const keys: Buffer[] = []
    let key: Buffer | null = null
    for (;;) {
      const next = Buffer.alloc(this.keySize)
      if (libbpf().nextKey(this.fd, key, next) !== 0) return keys
      keys.push(next)
      key = next
    }
  }
}

const INFO_SIZE = 256

/** struct bpf_map_info, as far as it is needed. */
function mapInfo(fd: number): {type: number; keySize: number; valueSize: number; name: string} {
  const info = Buffer.alloc(INFO_SIZE)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(INFO_SIZE)
  const code = libbpf().objInfo(fd, info, length)
  if (code !== 0) libbpfFailure('read BPF map information', code)
  const name = info.subarray(24, 40)
  return {
    type: info.readUInt32LE(0),
    keySize: info.readUInt32LE(8),
    valueSize: info.readUInt32LE(12),
    name: name.toString('latin1', 0, name.indexOf(0)),
  }
}

/**
 * A map that is pinned, or null when there is no such file. @param cpus possible CPUs, for a per-CPU map
 */
export function openPinnedMap(path: string, cpus = 0): BpfMap | null {
  const fd = libbpf().objGet(path)
  if (fd < 0) {
    if (-fd === ENOENT) return null
    return libbpfFailure(`open the pinned map ${path}`, fd)
  }

  const {keySize, valueSize} = mapInfo(fd)
  return new BpfMap(fd, keySize, cpus > 0 ? Math.ceil(valueSize / 8) * 8 * cpus : valueSize)
}

const BPF_MAP_TYPE_STRUCT_OPS = 26

/** Takes a struct_ops registration back, whoever made it; false when there is none of that name. */
export function unregisterStructOps(name: string): boolean {
  const next = Buffer.alloc(4)
  let found = false
  for (let id = 0; libbpf().mapNextId(id, next) === 0;) {
    id = next.readUInt32LE(0)
    const fd = libbpf().mapFdById(id)
    if (fd < 0) continue
    const info = mapInfo(fd)
    // BPF names are cut at 15 characters, so is the one asked for.
    if (info.type === BPF_MAP_TYPE_STRUCT_OPS && info.name === name.slice(0, 15)) {
      found = libbpf().delete(fd, Buffer.alloc(info.keySize)) === 0 || found
    }

    sys.close(fd)
  }

  return found
}
