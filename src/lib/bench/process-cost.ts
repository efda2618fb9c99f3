import {readdirSync, readFileSync} from 'node:fs'

/** USER_HZ: what /proc counts processor time in, on every architecture that Node runs on (include/asm-generic/param.h). */
const TICKS_A_SECOND = 100

/** Fields of /proc/PID/stat (proc(5)), counted from the state, which follows the program's name in parentheses. */
const PARENT = 1
const USER_TIME = 11
const SYSTEM_TIME = 12

/** @param stat text of /proc/PID/stat */
export function parseProcessStat(stat: string): {parent: number; cpuSeconds: number} {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    parent: Number(fields[PARENT]),
    cpuSeconds: (Number(fields[USER_TIME]) + Number(fields[SYSTEM_TIME])) / TICKS_A_SECOND,
  }
}

/** @param rollup text of /proc/PID/smaps_rollup @returns KiB of its own memory and of its share of what is shared */
export function parsePss(rollup: string): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0)
}

/** These processes and all that they have started, as far as those have not ended. */
export function withDescendants(pids: readonly number[]): number[] {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = read(entry, 'stat')
    if (stat !== '') parents.set(Number(entry), parseProcessStat(stat).parent)
  }

  const found = new Set(pids)
  for (let before = -1; before !== found.size;) {
    before = found.size
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid)
  }

  return [...found]
}

/** Processor time that these processes have used together, user and system, s; to 10 ms each. */
export function cpuSeconds(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    const stat = read(pid, 'stat')
    return stat === '' ? 0 : parseProcessStat(stat).cpuSeconds
  })
}

/** Memory of these processes together, KiB: without the kernel's, whose socket buffers are not in a process's count. */
export function pssKib(pids: readonly number[]): number {
  return sum(pids, (pid) => parsePss(read(pid, 'smaps_rollup')))
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0)
}

/** Empty for a process that has ended. */
function read(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}
