import {spawnSync} from 'node:child_process'
import {
  existsSync,
  linkSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import {dirname, isAbsolute, join, resolve} from 'node:path'

import {edgeSettings, gatewaySettings, type RelaySettings} from '../config/relay-settings.js'
import {overlayCommand} from '../cli/node-entry.js'
import {OverlayError} from '../errors/index.js'
import {readKeyFile} from '../keys/key-file.js'
import type {ProcessConfig} from '../relay/process-config.js'
import type {RelayRole} from '../relay/run-directory.js'
import {instanceDirectory} from '../run-directory.js'
import {BOOTED} from './host-shutdown.js'
import {UNIT_MARK, unitName, unitText, type UnitFacts} from './unit.js'

/** Where an administrator's units lie (systemd.unit(5)); only there systemd is told of a change. */
export const UNIT_DIRECTORY = '/etc/systemd/system'

/** For `systemctl daemon-reload`, ms. */
const RELOAD_DEADLINE_MS = 30_000

/** First port that everybody may listen on, unless net.ipv4.ip_unprivileged_port_start says otherwise. */
const FIRST_FREE_PORT = 1024

export interface ServiceRequest {
  role: RelayRole
  name: string
  config: string
  directory: string
  dryRun: boolean
}

export interface ServiceInstalled {
  unit: string
  path: string
  /** False after a dry run, and when the same text stood there. */
  written: boolean
  text: string
}

export interface ServiceRemoved {
  unit: string
  path: string
  /** It was stopped, and is no longer started at boot. False where systemd does not run. */
  disabled: boolean
}

/**
 * Writes the unit of an edge or gateway, after checking configuration and key file as `start` does, and has systemd read
 * it. It is not started.
 *
 * @throws OverlayError CONFIG_INVALID, KEY_FILE_INVALID, USAGE; ALREADY_EXISTS when something else has the unit's name;
 * PRIVILEGE_MISSING; NOT_FOUND for a directory that is not there
 */
export function installService(request: ServiceRequest): ServiceInstalled {
  const {role, name, directory, dryRun} = request
  const unit = unitName(role, name)
  const path = join(directory, unit)
  const text = unitText(unitFacts(request))
  if (dryRun) return {unit, path, written: false, text}
  const before = ownUnit(path)
  if (before === text) return {unit, path, written: false, text}
  writeUnit(path, text, before !== null)
  tellSystemd(directory)
  return {unit, path, written: true, text}
}

/**
 * Stops a service, which drains it, takes it from what starts at boot, and removes its unit.
 *
 * @throws OverlayError NOT_FOUND when there is none, or it was not made here; PRIVILEGE_MISSING; SYSTEM_CALL_FAILED when
 * systemd refuses
 */
export function uninstallService(role: RelayRole, name: string, directory: string): ServiceRemoved {
  const unit = unitName(role, name)
  const path = join(directory, unit)
  const text = ownUnit(path)
  if (text === null) {
    throw new OverlayError('NOT_FOUND', `there is no unit ${unit} in ${directory}`, {
      suggestions: ['give --name or --directory as at the installation'],
    })
  }

  const disabled = directory === UNIT_DIRECTORY && existsSync(BOOTED)
  if (disabled) {
    const stopSeconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1] ?? 90)
    systemctl(['disable', '--now', unit], stopSeconds * 1000 + RELOAD_DEADLINE_MS)
  }

  try {
    unlinkSync(path)
  } catch (error) {
    throw notPermitted(path, error)
  }

  tellSystemd(directory)
  return {unit, path, disabled}
}

/** @throws OverlayError as `start` does, for what the host cannot start with */
export function unitFacts({role, name, config}: ServiceRequest): UnitFacts {
  // For its error: the name becomes one of a directory, too.
  instanceDirectory(role, name)
  const path = resolve(config)
  const settings: RelaySettings<ProcessConfig> =
    role === 'edge' ? edgeSettings({name, config: path}) : gatewaySettings({name, config: path})
  if (!isAbsolute(settings.keyFile)) {
    throw new OverlayError('CONFIG_INVALID', `${role}.keyFile: "${settings.keyFile}" is not an absolute path`, {
      suggestions: ['a service has no directory of its own: write the path from / on'],
    })
  }

  readKeyFile(settings.keyFile)
  if (statSync(settings.keyFile).uid !== 0 && process.getuid?.() === 0) {
    throw new OverlayError('KEY_FILE_INVALID', `${settings.keyFile} is not owned by root`, {
      suggestions: [`chown root ${settings.keyFile}: the service cannot pass over the mode of another user's file`],
    })
  }

  const program = overlayCommand()
  const files = [...program.filter((word) => isAbsolute(word)), path, settings.keyFile].map((file) =>
    realpathSync(file),
  )
  const under = (...places: string[]): boolean =>
    files.some((file) => places.some((place) => file.startsWith(`${place}/`)))
  return {
    role,
    name,
    program,
    config: path,
    drainTimeoutMs: Math.max(settings.drainTimeoutMs, settings.shutdownDrainTimeoutMs),
    lowPorts: [...settings.listeners, ...(settings.echo ? [settings.echo] : [])].some(
      ({port}) => port < FIRST_FREE_PORT,
    ),
    pair: settings.pair !== null,
    echo: settings.echo !== null,
    zeroRtt: settings.zeroRtt,
    underHome: under('/home', '/root', '/run/user'),
    underTmp: under('/tmp', '/var/tmp'),
  }
}

/** The text of a unit of ours, null when there is none. @throws OverlayError ALREADY_EXISTS when it is somebody else's */
function ownUnit(path: string): string | null {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    throw notPermitted(path, error)
  }

  if (text.startsWith(UNIT_MARK)) return text
  throw new OverlayError('ALREADY_EXISTS', `${path} was not made by overlay service install`, {
    suggestions: ['move it away, or give the instance another --name'],
  })
}

/** Whole or not at all: systemd may read it at any moment. */
function writeUnit(path: string, text: string, replace: boolean): void {
  if (!existsSync(dirname(path))) {
    throw new OverlayError('NOT_FOUND', `there is no directory ${dirname(path)}`, {
      suggestions: ['make it, or name another one with --directory'],
    })
  }

  const beside = `${path}.overlay-new`
  try {
    writeFileSync(beside, text, {mode: 0o644})
    if (replace) renameSync(beside, path)
    else linkSync(beside, path)
  } catch (error) {
    throw notPermitted(path, error)
  } finally {
    rmSync(beside, {force: true})
  }
}

function notPermitted(path: string, error: unknown): OverlayError {
  return new OverlayError('PRIVILEGE_MISSING', `${path} cannot be read or changed`, {
    cause: (error as NodeJS.ErrnoException).code,
    suggestions: ['run as root, or name another directory with --directory'],
  })
}

function tellSystemd(directory: string): void {
  if (directory === UNIT_DIRECTORY && existsSync(BOOTED)) systemctl(['daemon-reload'], RELOAD_DEADLINE_MS)
}

function systemctl(words: string[], timeout: number): void {
  const {status, stderr, error} = spawnSync('systemctl', words, {encoding: 'utf8', timeout})
  if (status === 0) return
  throw new OverlayError('SYSTEM_CALL_FAILED', `systemctl ${words.join(' ')} failed`, {
    cause: error ?? (stderr.trim() || `exit code ${status}`),
  })
}
