import koffi from 'koffi'
import {closeSync, constants, fchmodSync, ftruncateSync, openSync} from 'node:fs'

import {systemCallError} from './errno.js'

const libc = koffi.load('libc.so.6')
const mmap = libc.func('void *mmap(void *, size_t, int, int, int, int64_t)') as (
  address: null,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => unknown

const PROT_READ_WRITE = 3
const MAP_SHARED = 1

/**
 * A file mapped for all processes that map it (MAP_SHARED), for as long as this process lives. Made when missing, with
 * mode 0600, zeroed and sparse; a longer or shorter one is brought to this length.
 *
 * `Atomics` works on it between processes: V8 uses the processor's atomic instructions whether or not the buffer is a
 * SharedArrayBuffer (a test holds this with two processes).
 *
 * @param length bytes, a multiple of 4096
 * @throws OverlayError SYSTEM_CALL_FAILED or PRIVILEGE_MISSING
 */
export function mapSharedFile(path: string, length: number): ArrayBuffer {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  try {
    fchmodSync(fd, 0o600)
    ftruncateSync(fd, length)
    const pointer = mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, 0)
    // MAP_FAILED is (void *) -1.
    if (koffi.address(pointer) === 0xff_ff_ff_ff_ff_ff_ff_ffn) throw systemCallError(`mmap ${path}`)
    return koffi.view(pointer, length)
  } finally {
    closeSync(fd)
  }
}
