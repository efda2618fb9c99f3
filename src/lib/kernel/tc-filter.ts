import {EEXIST} from './errno.js'
import {libbpf, libbpfFailure, takeMessages} from './libbpf.js'

export type TcDirection = 'egress' | 'ingress'

/** Where a TC program sits. handle and priority name the filter, so that it is replaced and removed exactly. */
export interface TcPlace {
  ifindex: number
  direction: TcDirection
  handle: number
  priority: number
}

/** struct bpf_tc_hook: sz, ifindex, attach_point, parent */
function tcHook(ifindex: number, attachPoint: number): Buffer {
  const hook = Buffer.alloc(24)
  hook.writeBigUInt64LE(24n, 0)
  hook.writeInt32LE(ifindex, 8)
  hook.writeInt32LE(attachPoint, 12)
  return hook
}

/** struct bpf_tc_opts: sz, prog_fd, flags, prog_id, handle, priority */
function tcOptions(place: TcPlace, programFd = 0, flags = 0): Buffer {
  const opts = Buffer.alloc(32)
  opts.writeBigUInt64LE(32n, 0)
  opts.writeInt32LE(programFd, 8)
  opts.writeUInt32LE(flags, 12)
  opts.writeUInt32LE(place.handle, 20)
  opts.writeUInt32LE(place.priority, 24)
  return opts
}

const attachPoints = {ingress: 1, egress: 2}
const BPF_TC_F_REPLACE = 1

/** Creates the clsact qdisc of an interface; false when it was there already. */
export function createClsact(ifindex: number): boolean {
  const code = libbpf().hookCreate(tcHook(ifindex, attachPoints.ingress | attachPoints.egress))
  if (code === 0) return true
  if (-code === EEXIST) return false
  return libbpfFailure('create the clsact qdisc', code)
}

/** Removes the clsact qdisc with every filter on it. */
export function destroyClsact(ifindex: number): void {
  libbpf().hookDestroy(tcHook(ifindex, attachPoints.ingress | attachPoints.egress))
}

/** Attaches a TC program, in the place of one that is there under the same handle and priority. */
export function attachTc(place: TcPlace, programFd: number): void {
  const hook = tcHook(place.ifindex, attachPoints[place.direction])
  const code = libbpf().tcAttach(hook, tcOptions(place, programFd, BPF_TC_F_REPLACE))
  if (code !== 0) libbpfFailure(`attach a filter on ${place.direction} of interface ${place.ifindex}`, code)
}

/** Detaches; one that is not there is no error. */
export function detachTc(place: TcPlace): void {
  libbpf().tcDetach(tcHook(place.ifindex, attachPoints[place.direction]), tcOptions(place))
  takeMessages()
}

/** The id of the program attached there, or null. */
export function queryTc(place: TcPlace): null | number {
  const opts = tcOptions(place)
  const code = libbpf().tcQuery(tcHook(place.ifindex, attachPoints[place.direction]), opts)
  takeMessages()
  return code === 0 ? opts.readUInt32LE(16) : null
}
