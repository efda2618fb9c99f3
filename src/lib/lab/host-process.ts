import {spawn, type ChildProcess, type StdioOptions} from 'node:child_process'
import {constants as osConstants} from 'node:os'

import {OverlayError} from '../errors/index.js'
import type {HostState} from './state.js'

export interface ExecOptions {
  /** Default 60000. */
  timeoutMs?: number
  /** Written to the program's standard input, which then ends. */
  input?: Buffer | string
  env?: Record<string, string>
  cwd?: string
}

export interface ExecResult {
  /** Of a program that a signal ended: 128 + the signal's number, as shells have it. */
  code: number
  stdout: string
  stderr: string
}

export interface SpawnOptions {
  env?: Record<string, string>
  cwd?: string
  /** As in node:child_process; default `pipe`. */
  stdio?: StdioOptions
}

export interface ExitStatus {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A program that runs in a host. */
export interface HostProcess {
  pid: number
  child: ChildProcess
  /** Settles when the program has ended and its output is read. */
  exited: Promise<ExitStatus>
  /** Sends the signal (default SIGTERM), and SIGKILL after the deadline (default 5000 ms); gives how it ended. */
  stop(signal?: NodeJS.Signals, deadlineMs?: number): Promise<ExitStatus>
}

/** What one run may print, bytes of each of stdout and stderr. */
const OUTPUT_LIMIT = 64 * 1024 * 1024
const DEFAULT_TIMEOUT_MS = 60_000

/** The environment of everything that runs in a host. */
export function hostEnvironment(host: HostState, extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  return {...process.env, OVERLAY_RUN_DIR: host.runDir, ...extra}
}

/** The command line that runs `words` in the host's namespace. */
export function inHost(host: HostState, words: readonly string[]): [string, string[]] {
  return ['ip', ['netns', 'exec', host.namespace, ...words]]
}

/**
 * Starts a program in a host, in a process group of its own.
 *
 * @throws OverlayError USAGE without a program, PROGRAM_MISSING when `ip` is not there
 */
export function spawnInHost(host: HostState, words: readonly string[], options: SpawnOptions = {}): HostProcess {
  if (words.length === 0) throw new OverlayError('USAGE', `no program was given to run in ${host.name}`)
  const [program, argv] = inHost(host, words)
  const child = spawn(program, argv, {
    stdio: options.stdio ?? 'pipe',
    cwd: options.cwd,
    env: hostEnvironment(host, options.env),
    detached: true,
  })
  const exited = new Promise<ExitStatus>((resolve, reject) => {
    child.once('error', (error) => reject(new OverlayError('PROGRAM_MISSING', `${program} cannot run`, {cause: error})))
    child.once('close', (code, signal) => resolve({code, signal}))
  })
  exited.catch(() => {}) // whoever awaits it sees the error; nobody has to
  const stop = async (signal: NodeJS.Signals = 'SIGTERM', deadlineMs = 5000): Promise<ExitStatus> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    const timer = setTimeout(() => killGroup(child), deadlineMs)
    try {
      return await exited
    } finally {
      clearTimeout(timer)
    }
  }

  return {pid: child.pid ?? 0, child, exited, stop}
}

/**
 * Runs a program in a host to its end.
 *
 * @throws OverlayError DEADLINE_EXCEEDED, after killing it and what it started in its process group
 */
export async function execInHost(
  host: HostState,
  words: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const running = spawnInHost(host, words, options)
  const {child} = running
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  let stopped: OverlayError | null = null
  const giveUp = (error: OverlayError): void => {
    stopped ??= error
    killGroup(child)
  }

  for (const [stream, chunks] of [
    [child.stdout!, stdout],
    [child.stderr!, stderr],
  ] as const) {
    let bytes = 0
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > OUTPUT_LIMIT) giveUp(new OverlayError('SYSTEM_CALL_FAILED', `${words[0]} printed more than 64 MiB`))
      else chunks.push(chunk)
    })
  }

  child.stdin!.on('error', () => {}) // it ended without reading all: its exit code tells
  child.stdin!.end(options.input)
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const timer = setTimeout(() => {
    giveUp(new OverlayError('DEADLINE_EXCEEDED', `${words.join(' ')} in ${host.name} did not end in ${timeoutMs} ms`))
  }, timeoutMs)
  try {
    const status = await running.exited
    if (stopped) throw stopped
    return {
      code: exitCodeOf(status),
      stdout: Buffer.concat(stdout).toString('utf8'),
      stderr: Buffer.concat(stderr).toString('utf8'),
    }
  } finally {
    clearTimeout(timer)
  }
}

const ignore = (): void => {}

/**
 * Runs a program in a host on this process's own terminal and gives its exit code. Ctrl-C is for the program; a SIGTERM
 * to this process is passed on.
 */
export async function runInForeground(host: HostState, words: readonly string[]): Promise<number> {
  const [program, argv] = inHost(host, words)
  const child = spawn(program, argv, {stdio: 'inherit', env: hostEnvironment(host)})
  const passOn = (signal: NodeJS.Signals): void => {
    child.kill(signal)
  }

  process.on('SIGINT', ignore).on('SIGTERM', passOn).on('SIGHUP', passOn)
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', (error) =>
        reject(new OverlayError('PROGRAM_MISSING', `${program} cannot run`, {cause: error})),
      )
      child.once('close', (code, signal) => resolve(exitCodeOf({code, signal})))
    })
  } finally {
    process.off('SIGINT', ignore).off('SIGTERM', passOn).off('SIGHUP', passOn)
  }
}

/** The code a shell would show. */
export function exitCodeOf({code, signal}: ExitStatus): number {
  if (signal === null) return code ?? 1
  return 128 + (osConstants.signals[signal] ?? 0)
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
