import {existsSync, readdirSync, statSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'

import {nearest} from '../cli/nearest.js'
import {OverlayError} from '../errors/index.js'
import {forgetDeadUsers} from '../handshake/congestion.js'
import {removeDirectory} from './mounts.js'
import {deleteNamespaces} from './namespaces.js'
import {endProcesses, processesIn} from './processes.js'
import {isOrphan, labDirectory, labNames, readState, type LabState} from './state.js'

/** How long programs in a host have to end after SIGTERM. */
const GRACE_MS = 1500
/** A directory without a state file may be a lab that is being made at this moment. */
const YOUNG_MS = 10_000
/** How long another process's removal of the same lab may take. */
const VANISH_MS = 5000

/**
 * Ends every process in the lab's namespaces, the delay lines last, and removes namespaces, mounts and files. What is
 * already gone is passed over.
 */
export async function removeLab(state: LabState): Promise<void> {
  const hosts = state.hosts.map((host) => host.namespace)
  const left = [
    ...(await endProcesses(() => processesIn(hosts), GRACE_MS)),
    ...(await endProcesses(() => processesIn([state.wire]), GRACE_MS)),
  ]
  if (left.length > 0) {
    throw new OverlayError('SYSTEM_CALL_FAILED', `lab ${state.name}: process ${left[0].pid} does not end`, {
      suggestions: [`look at /proc/${left[0].pid}/stack, then overlay lab down ${state.name}`],
    })
  }

  await deleteNamespaces([...hosts, state.wire])
  removeDirectory(state.name)
  // Edges and gateways that were killed with the lab could not take their claim to overlay_bbr back themselves.
  forgetDeadUsers()
}

/**
 * Removes labs whose owner is gone: killed, or of an earlier boot.
 *
 * @returns their names
 */
export async function sweepLabs(): Promise<string[]> {
  const swept: string[] = []
  for (const name of labNames()) {
    const state = readState(name)
    if (state ? !isOrphan(state) : !isAbandoned(name)) continue
    try {
      await (state ? removeLab(state) : removeDirectory(name))
    } catch (error) {
      // Another process may be sweeping the same lab: what counts is that it goes.
      if (!(await vanishes(name))) throw error
    }

    swept.push(name)
  }

  return swept
}

/**
 * Takes labs down on demand.
 *
 * @param choice.name the lab; may be left out when there is only one that stays
 * @param choice.all every lab that stays; labs of running processes are left to these
 * @returns names of the labs that were removed, those of dead owners included
 * @throws OverlayError NOT_FOUND
 */
export async function takeDown(choice: {name?: string; all?: boolean}): Promise<string[]> {
  const {name, all = false} = choice
  // Named labs are found before the sweep, so that asking for an orphan is no mistake.
  const named = name === undefined ? null : readState(name)
  const removed = await sweepLabs()
  const staying = labNames()
    .map((candidate) => readState(candidate))
    .filter((state) => state !== null)
    .filter((state) => (name === undefined ? state.owner === null : state.name === name))
  if (name !== undefined && !named) throw notFound(`there is no lab named ${name}`, nearest(name, labNames()))
  if (name === undefined && !all && staying.length === 0 && removed.length === 0) throw notFound('no lab is up')
  if (name === undefined && !all && staying.length > 1) {
    throw new OverlayError('NOT_FOUND', `${staying.length} labs are up, and none was named`, {
      suggestions: [...staying.map((state) => `overlay lab down ${state.name}`), 'overlay lab down --all'],
    })
  }

  for (const state of staying) {
    await removeLab(state)
    removed.push(state.name)
  }

  return removed
}

function notFound(message: string, near?: string): OverlayError {
  return new OverlayError('NOT_FOUND', message, {
    suggestions: [near ? `did you mean ${near}?` : 'overlay lab status'],
  })
}

async function vanishes(name: string): Promise<boolean> {
  for (let waited = 0; waited < VANISH_MS && existsSync(labDirectory(name)); waited += 50) await sleep(50)
  return !existsSync(labDirectory(name))
}

/** A directory that never got its state file, and will not any more. */
function isAbandoned(name: string): boolean {
  const directory = labDirectory(name)
  const status = statSync(directory, {throwIfNoEntry: false})
  return status !== undefined && Date.now() - status.mtimeMs > YOUNG_MS && !readdirSync(directory).includes('lab.json')
}
