import {readdirSync, readFileSync, readlinkSync, statSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'

/** A process that cannot be taken for a later one of the same number. */
export interface ProcessIdentity {
  pid: number
  /** Clock ticks after boot, field 22 of /proc/pid/stat. */
  startTime: number
}

/** The process of that number now; null when there is none, or only a zombie. */
export function identify(pid: number): ProcessIdentity | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? null : {pid, startTime: Number(fields[19])}
  } catch {
    return null
  }
}

export function isAlive({pid, startTime}: ProcessIdentity): boolean {
  return identify(pid)?.startTime === startTime
}

/** Identifies the running kernel: another one after each boot. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}

/** Every process in one of these network namespaces; names that do not exist count as empty. */
export function processesIn(namespaces: readonly string[]): ProcessIdentity[] {
  const inodes = new Set<number>()
  for (const name of namespaces) {
    const inode = statSync(`/run/netns/${name}`, {throwIfNoEntry: false})?.ino
    if (inode !== undefined) inodes.add(inode)
  }

  if (inodes.size === 0) return []
  const found: ProcessIdentity[] = []
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    if (!inodes.has(namespaceInode(entry))) continue
    const identity = identify(Number(entry))
    if (identity && identity.pid !== process.pid) found.push(identity)
  }

  return found
}

/** Sends the signal unless the process is gone or another has its number. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return
  try {
    process.kill(identity.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * Ends every process that `list` finds: SIGTERM, then SIGKILL to what is left after `graceMs`. Lists again until nothing
 * is found, for at most two seconds more, because what was found may have started others.
 *
 * @returns those still alive
 */
export async function endProcesses(list: () => ProcessIdentity[], graceMs: number): Promise<ProcessIdentity[]> {
  let left = list()
  for (const identity of left) signalProcess(identity, 'SIGTERM')
  const started = performance.now()
  let waitMs = 2
  while (left.length > 0 && performance.now() - started < graceMs + 2000) {
    await sleep(waitMs)
    waitMs = Math.min(waitMs * 2, 50)
    left = list()
    if (performance.now() - started > graceMs) for (const identity of left) signalProcess(identity, 'SIGKILL')
  }

  return left
}

function namespaceInode(pid: string): number {
  try {
    return Number(/\[(\d+)]/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1])
  } catch {
    return Number.NaN
  }
}
