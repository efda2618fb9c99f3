import {parseDuration} from '../config/duration.js'
import {askInstance} from './admin-client.js'
import type {RelayRole} from './run-directory.js'
import type {DrainReport} from './supervisor.js'

/** Waiting for an instance to say that it has drained: its deadline, which this host's 24 hours bound, and some more, ms. */
const GRACE_MS = 10_000
const LONGEST_MS = 24 * 3_600_000

/**
 * Drains a running instance and waits until it has ended.
 *
 * @param timeout a duration as text; the instance's own drain timeout when not given
 * @throws OverlayError USAGE, NOT_RUNNING, DEADLINE_EXCEEDED
 */
export async function drainInstance(role: RelayRole, name: string, timeout: string | undefined): Promise<DrainReport> {
  const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout, '--timeout')
  return askInstance(role, name, {command: 'drain', timeoutMs}, (timeoutMs ?? LONGEST_MS) + GRACE_MS)
}
