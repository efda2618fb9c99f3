import {readFileSync} from 'node:fs'

import {round} from './percentiles.js'

/** Processor time of the whole machine since it started, in ticks of /proc/stat (proc(5)). */
export interface MachineTime {
  /** In programs and in the kernel on their behalf, interrupts not counted. */
  programs: number
  /** That a hypervisor gave to others. */
  steal: number
  total: number
}

const TICKS_A_SECOND = 100

/** @param stat text of /proc/stat */
export function parseMachineTime(stat: string): MachineTime {
  const [user, nice, system, idle, iowait, irq, softirq, steal] = stat
    .slice(0, stat.indexOf('\n'))
    .trim()
    .split(/\s+/)
    .slice(1, 9)
    .map(Number)
  const programs = user + nice + system
  return {programs, steal, total: programs + idle + iowait + irq + softirq + steal}
}

export function machineTime(): MachineTime {
  return parseMachineTime(readFileSync('/proc/stat', 'latin1'))
}

/** Shares of all processors' time, 0 to 1, over the parts of a run that were measured. */
export interface MachineShares {
  stealShare: number
  /** Programs that are not of the bench. */
  othersShare: number
}

/** Adds up what the machine did while something was measured. */
export class MachineLoad {
  #steal = 0
  #others = 0
  #total = 0

  /** @param ownSeconds processor time of all processes of the bench between the two readings */
  add(before: MachineTime, after: MachineTime, ownSeconds: number): void {
    this.#steal += after.steal - before.steal
    this.#others += Math.max(0, after.programs - before.programs - ownSeconds * TICKS_A_SECOND)
    this.#total += after.total - before.total
  }

  shares(): MachineShares {
    const total = Math.max(1, this.#total)
    return {stealShare: round(this.#steal / total), othersShare: round(this.#others / total)}
  }
}
