import {spawnSync} from 'node:child_process'
import {existsSync} from 'node:fs'

/** systemd runs this host, sd_booted(3). */
export const BOOTED = '/run/systemd/system'

/** Asked once, when this process is told to end; ms. */
const DEADLINE_MS = 1000

/**
 * Is the whole host going down, and not this service alone? systemd says so while its shutdown jobs run. False where
 * systemd does not run or does not answer.
 *
 * @param booted is there where systemd runs
 * @param systemctl the program to ask
 */
export function hostIsShuttingDown(booted = BOOTED, systemctl = 'systemctl'): boolean {
  if (!existsSync(booted)) return false
  const {stdout} = spawnSync(systemctl, ['is-system-running'], {
    encoding: 'utf8',
    timeout: DEADLINE_MS,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return stdout?.trim() === 'stopping'
}
