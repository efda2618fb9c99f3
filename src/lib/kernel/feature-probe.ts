import koffi from 'koffi'

import {addressOf, allocate, sys} from './libc.js'

/** Numbers of bpf(2) by Node's name for the architecture (asm/unistd.h). */
const BPF_SYSCALL: Record<string, number> = {x64: 321, arm64: 280}
const BPF_MAP_CREATE = 0
const BPF_MAP_TYPE_ARRAY = 2

/** include/uapi/linux/in.h, socket.h and tcp.h. */
const AF_INET = 2
const SOCK_STREAM = 1
const IPPROTO_TCP = 6
const TCP_REPAIR = 19

/** True when the dynamic loader finds the shared library, e.g. `libbpf.so.1`. */
export function canLoadLibrary(soname: string): boolean {
  try {
    koffi.load(soname)
    return true
  } catch {
    return false
  }
}

/** True when bpf(2) makes a map for this process: the call exists, is permitted, and memory for maps is to be had. */
export function canCreateBpfMap(): boolean {
  const number = BPF_SYSCALL[process.arch]
  if (number === undefined) return false
  const syscall = koffi.load('libc.so.6').func('int64_t syscall(int64_t, int64_t, int64_t, int64_t)') as (
    ...args: number[]
  ) => number
  // union bpf_attr: map_type, key_size, value_size, max_entries
  const attr = Buffer.allocUnsafeSlow(32).fill(0)
  for (const [index, value] of [BPF_MAP_TYPE_ARRAY, 4, 4, 1].entries()) attr.writeUInt32LE(value, index * 4)
  const fd = syscall(number, BPF_MAP_CREATE, addressOf(attr), attr.length)
  if (fd < 0) return false
  sys.close(fd)
  return true
}

/** True when a TCP socket of this process enters and leaves repair mode (net/ipv4/tcp.c, tcp_can_repair_sock). */
export function canRepairTcp(): boolean {
  const fd = sys.socket(AF_INET, SOCK_STREAM, 0)
  if (fd < 0) return false
  const value = allocate(4)
  value.bytes.writeInt32LE(1)
  const entered = sys.setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, value.address, 4) === 0
  sys.close(fd)
  return entered
}
