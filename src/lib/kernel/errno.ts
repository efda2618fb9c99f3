import {constants} from 'node:os'

import {OverlayError} from '../errors/index.js'
import {errno} from './libc.js'

export const {EAGAIN, EINTR, EINPROGRESS, EEXIST, ENOENT, EADDRINUSE, EADDRNOTAVAIL, EPERM, EACCES, EMFILE, ENFILE} =
  constants.errno
export const {ECONNRESET, ECONNREFUSED, ETIMEDOUT, EPIPE, EINVAL, EBUSY, ENOMEM, ENOBUFS, ENOSPC, ECONNABORTED} =
  constants.errno

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

/** "ECONNREFUSED" for 111; "errno 4242" for a number without a name. */
export function errnoName(number: number): string {
  return names.get(number) ?? `errno ${number}`
}

/**
 * The error for a system call that failed just now.
 *
 * @param call what was tried, with its arguments, e.g. `bind 10.0.0.1:80`
 * @param number the error number; errno of the last call when not given. libbpf returns it negated: pass it positive.
 */
export function systemCallError(call: string, number: number = errno()): OverlayError {
  const name = errnoName(number)
  if (number === EPERM || number === EACCES) {
    return new OverlayError('PRIVILEGE_MISSING', `${call}: not permitted`, {
      cause: name,
      suggestions: ['run as root, or grant CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF'],
    })
  }

  return new OverlayError('SYSTEM_CALL_FAILED', `${call} failed`, {cause: name})
}
