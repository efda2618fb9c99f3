import koffi from 'koffi'
import {closeSync, constants, fchmodSync, fstatSync, ftruncateSync, openSync} from 'node:fs'

import {OverlayError} from '../errors/index.js'
import {ENOSPC, systemCallError} from './errno.js'

const libc = koffi.load('libc.so.6')
const mmap = libc.func('void *mmap(void *, size_t, int, int, int, int64_t)') as (
  address: null,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => unknown

/** Sets no errno: it returns it (posix_fallocate(3)). */
const posixFallocate = libc.func('int posix_fallocate(int, int64_t, int64_t)') as (
  fd: number,
  offset: number,
  length: number,
) => number

const PROT_READ_WRITE = 3
const MAP_SHARED = 1

/**
 * Gives a part of a file its place on the disk. A write through a mapping where there is none, on a file system that is
 * full, ends the process with SIGBUS (mmap(2)).
 *
 * @returns false when the file system is full
 * @throws OverlayError SYSTEM_CALL_FAILED
 */
export function reserveInFile(path: string, offset: number, length: number): boolean {
  const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW)
  try {
    return reserve(fd, path, offset, length)
  } finally {
    closeSync(fd)
  }
}

function reserve(fd: number, path: string, offset: number, length: number): boolean {
  const error = posixFallocate(fd, offset, length)
  if (error !== 0 && error !== ENOSPC) throw systemCallError(`posix_fallocate ${path}`, error)
  return error === 0
}

/**
 * A file mapped for all processes that map it (MAP_SHARED), for as long as this process lives. Made when missing, with
 * mode 0600 and zeroed; a longer or shorter one is brought to this length.
 *
 * `Atomics` works on it between processes: V8 uses the processor's atomic instructions whether or not the buffer is a
 * SharedArrayBuffer (a test holds this with two processes).
 *
 * @param length bytes, a multiple of 4096
 * @param reserved so many at its start have their place on the disk; the rest is sparse until {@link reserveInFile}
 * @throws OverlayError SYSTEM_CALL_FAILED, also when the disk is full, or PRIVILEGE_MISSING
 */
export function mapSharedFile(path: string, length: number, reserved = length): ArrayBuffer {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  try {
    fchmodSync(fd, 0o600)
    if (fstatSync(fd).size !== length) ftruncateSync(fd, length)
    if (!reserve(fd, path, 0, reserved)) {
      throw new OverlayError('SYSTEM_CALL_FAILED', `${path}: no space is left there`, {
        cause: 'ENOSPC',
        suggestions: ['make room, or set OVERLAY_RUN_DIR to another file system'],
      })
    }

    const pointer = mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, 0)
    // MAP_FAILED is (void *) -1.
    if (koffi.address(pointer) === 0xff_ff_ff_ff_ff_ff_ff_ffn) throw systemCallError(`mmap ${path}`)
    return koffi.view(pointer, length)
  } finally {
    closeSync(fd)
  }
}
