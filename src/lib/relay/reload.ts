import {askInstance} from './admin-client.js'
import type {RelayRole} from './run-directory.js'

/** What a reload came to. */
export interface ReloadReport {
  /** Ids of the keys that hold now. */
  keys: {current: number; previous: number | null}
  /** Keys of the configuration that have changed and hold now. */
  applied: string[]
  /** Keys of the configuration whose values are not those that run: a restart applies them. */
  restart: string[]
}

/** The processes are given 2 s for the configuration, and 2 s for new keys. */
const DEADLINE_MS = 10_000

/**
 * Has a running instance read its configuration and key file again.
 *
 * @throws OverlayError CONFIG_INVALID or KEY_FILE_INVALID, and then nothing was changed; NOT_RUNNING, DEADLINE_EXCEEDED
 */
export async function reloadInstance(role: RelayRole, name: string): Promise<ReloadReport> {
  return askInstance(role, name, {command: 'reload'}, DEADLINE_MS)
}

/** One line, and one for each value that needs a restart. */
export function renderReload({keys: {current, previous}, applied, restart}: ReloadReport): string {
  const accepted = previous === null ? '' : `, accepts key ${previous} too`
  return [
    `keys read again: sends with key ${current}${accepted}`,
    ...applied.map((key) => `changed in the configuration, and holds now: ${key}`),
    ...restart.map((key) => `changed in the configuration, and needs a restart: ${key}`),
  ].join('\n')
}
