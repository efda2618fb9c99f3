import {existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {OverlayError} from '../errors/index.js'
import type {HostPlan, LinkPlan} from './plan.js'
import {bootId, isAlive, type ProcessIdentity} from './processes.js'

/** What stands between the two sides of a link. */
export type EngineName = 'bridge' | 'delay-line' | 'netem'

export interface LinkState extends LinkPlan {
  engine: EngineName
  /** The delay line's process; null with the others. */
  process: ProcessIdentity | null
}

export interface HostState extends HostPlan {
  runDir: string
}

/** A capture that runs for as long as the lab does. */
export interface CaptureState {
  link: string
  host: string
  file: string
  process: ProcessIdentity
}

/** lab.json: written before anything is made, so that a lab that was cut short while being built can be removed. */
export interface LabState {
  version: 1
  name: string
  id: string
  /** Of the kernel the lab runs on; after a reboot only its files are left. */
  bootId: string
  phase: 'building' | 'up'
  /** The process whose end ends the lab; null for a lab that stays until `lab down`. */
  owner: ProcessIdentity | null
  wire: string
  hosts: HostState[]
  links: LinkState[]
  captures: CaptureState[]
}

/** The directory of all labs: `$OVERLAY_RUN_DIR/lab`, /run/overlay/lab when not set. */
export function labsDirectory(): string {
  return join(process.env.OVERLAY_RUN_DIR || '/run/overlay', 'lab')
}

export function labDirectory(name: string): string {
  return join(labsDirectory(), name)
}

/** The control socket of a link's delay line. */
export function linkSocket(labName: string, linkName: string): string {
  return join(labDirectory(labName), 'wire', `${linkName}.sock`)
}

const CLAIM_ATTEMPTS = 5

/**
 * Takes the name by making its directory.
 *
 * @throws OverlayError ALREADY_EXISTS, PRIVILEGE_MISSING
 */
export function claimName(name: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      mkdirSync(labsDirectory(), {recursive: true})
      mkdirSync(labDirectory(name))
      return
    } catch (error) {
      const {code} = error as NodeJS.ErrnoException
      // The last lab, going, may take the directory above between the two.
      if (code !== 'ENOENT' || attempt === CLAIM_ATTEMPTS) throw claimError(name, error)
    }
  }
}

function claimError(name: string, error: unknown): unknown {
  const {code} = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') {
    return new OverlayError('PRIVILEGE_MISSING', 'a lab needs root', {cause: code, suggestions: ['run as root']})
  }

  if (code !== 'EEXIST') return error
  return new OverlayError('ALREADY_EXISTS', `there is a lab named ${name}`, {
    suggestions: [`overlay lab down ${name}`, 'choose another with --name'],
  })
}

export function writeState(state: LabState): void {
  const file = join(labDirectory(state.name), 'lab.json')
  writeFileSync(`${file}.new`, JSON.stringify(state, null, 2) + '\n')
  renameSync(`${file}.new`, file)
}

/** The state of a lab; null when its directory has none, or none that can be read. */
export function readState(name: string): LabState | null {
  try {
    const state = JSON.parse(readFileSync(join(labDirectory(name), 'lab.json'), 'utf8')) as LabState
    return state.version === 1 ? state : null
  } catch {
    return null
  }
}

/** Names of all labs that have a directory. */
export function labNames(): string[] {
  const directory = labsDirectory()
  if (!existsSync(directory)) return []
  return readdirSync(directory, {withFileTypes: true})
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
}

/** True when nobody is left who would use the lab: its owner has ended, or the machine was booted anew. */
export function isOrphan(state: LabState): boolean {
  return state.bootId !== bootId() || (state.owner !== null && !isAlive(state.owner))
}
