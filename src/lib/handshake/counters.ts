import type {BpfMap} from '../kernel/bpf-map.js'
import type {Role} from './constants.js'

/** Names of the counters in the order of the enums in bpf/handshake-edge.bpf.c and bpf/handshake-gateway.bpf.c. */
const names = {
  edge: ['synSent', 'synForeignOptions', 'synMarkedOrdinary', 'dummyFailed'],
  gateway: [
    'synAccepted',
    'synRepeated',
    'synUnverified',
    'synTimeWait',
    'synNoListener',
    'synOtherFlow',
    'dataAccepted',
    'dataTooEarly',
    'dataUnverified',
    'childFailed',
  ],
} as const

export type CounterName<R extends Role> = (typeof names)[R][number]

/** Reads all counters of a role, summed over CPUs. @param map the per-CPU map `counters` */
export function readCounters<R extends Role>(role: R, map: BpfMap): Record<CounterName<R>, number> {
  return readNamedCounters(names[role] as readonly CounterName<R>[], map)
}

/** The same for any program with the map of bpf/counters.h. @param counters names in the order of its enum */
export function readNamedCounters<Name extends string>(counters: readonly Name[], map: BpfMap): Record<Name, number> {
  const key = Buffer.alloc(4)
  const result = {} as Record<Name, number>
  for (const [index, name] of counters.entries()) {
    key.writeUInt32LE(index)
    const values = map.lookup(key) ?? Buffer.alloc(0)
    let sum = 0
    for (let at = 0; at < values.length; at += 8) sum += Number(values.readBigUInt64LE(at))
    result[name] = sum
  }

  return result
}
