import koffi from 'koffi'

/**
 * libc through koffi: the functions that Node does not offer. This directory is the only one that knows the FFI.
 *
 * Pointers are passed as numbers (`int64_t`): a call with plain integers costs a third of one with a Buffer to convert.
 * A wrong pointer kills the process, so callers pass only addresses from {@link allocate} with lengths inside it.
 */
const libc = koffi.load('libc.so.6')

type Int = (...args: number[]) => number

export const sys = {
  socket: libc.func('int socket(int, int, int)') as Int,
  bind: libc.func('int bind(int, int64_t, int)') as Int,
  listen: libc.func('int listen(int, int)') as Int,
  accept4: libc.func('int accept4(int, int64_t, int64_t, int)') as Int,
  connect: libc.func('int connect(int, int64_t, int)') as Int,
  getsockname: libc.func('int getsockname(int, int64_t, int64_t)') as Int,
  getpeername: libc.func('int getpeername(int, int64_t, int64_t)') as Int,
  setsockopt: libc.func('int setsockopt(int, int, int, int64_t, int)') as Int,
  getsockopt: libc.func('int getsockopt(int, int, int, int64_t, int64_t)') as Int,
  recv: libc.func('int recv(int, int64_t, int, int)') as Int,
  send: libc.func('int send(int, int64_t, int, int)') as Int,
  sendto: libc.func('int sendto(int, int64_t, int, int, int64_t, int)') as Int,
  sendmsg: libc.func('int sendmsg(int, int64_t, int)') as Int,
  recvmsg: libc.func('int recvmsg(int, int64_t, int)') as Int,
  socketpair: libc.func('int socketpair(int, int, int, int64_t)') as Int,
  shutdown: libc.func('int shutdown(int, int)') as Int,
  close: libc.func('int close(int)') as Int,
  read: libc.func('int read(int, int64_t, int)') as Int,
  write: libc.func('int write(int, int64_t, int)') as Int,
  epoll_create1: libc.func('int epoll_create1(int)') as Int,
  epoll_ctl: libc.func('int epoll_ctl(int, int, int, int64_t)') as Int,
  epoll_wait: libc.func('int epoll_wait(int, int64_t, int, int)') as Int,
  ioctl: libc.func('int ioctl(int, uint64_t, int64_t)') as Int,
  memcpy: libc.func('int64_t memcpy(int64_t, int64_t, uint64_t)') as Int,
  fcntl: libc.func('int fcntl(int, int, int)') as Int,
  pipe2: libc.func('int pipe2(int64_t, int)') as Int,
  splice: libc.func('int64_t splice(int, int64_t, int, int64_t, uint64_t, unsigned int)') as Int,
  tee: libc.func('int64_t tee(int, int, uint64_t, unsigned int)') as Int,
  if_nametoindex: libc.func('unsigned int if_nametoindex(const char *)') as (name: string) => number,
  mount: libc.func('int mount(const char *, const char *, const char *, uint64_t, const char *)') as (
    source: string,
    target: string,
    type: string,
    flags: number,
    data: string | null,
  ) => number,
  setns: libc.func('int setns(int, int)') as Int,
  umount2: libc.func('int umount2(const char *, int)') as (target: string, flags: number) => number,
}

/** errno of the last call of this room that failed. */
export const errno = (): number => koffi.errno()

/** A block of memory that never moves, with its address as a number (exact: user space addresses have 47 bits). */
export interface Memory {
  readonly bytes: Buffer
  readonly address: number
}

/** Every block stays referenced for as long as the process lives, so its address stays good. */
const kept: Buffer[] = []

/**
 * Zeroed memory outside the V8 heap, for as long as the process lives: for buffers made once, not per connection.
 *
 * @param length bytes
 */
export function allocate(length: number): Memory {
  const bytes = Buffer.allocUnsafeSlow(length).fill(0)
  kept.push(bytes)
  return {bytes, address: addressOf(bytes)}
}

/** The address of a buffer made by `Buffer.allocUnsafeSlow`; good only while the caller holds the buffer. */
export function addressOf(bytes: Buffer): number {
  return Number(koffi.address(bytes))
}
