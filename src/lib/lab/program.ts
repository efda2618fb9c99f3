import {spawn} from 'node:child_process'

import {OverlayError} from '../errors/index.js'

const DEADLINE_MS = 10_000

/**
 * Runs a program of the system to its end.
 *
 * @param input written to its standard input
 * @returns its standard output
 * @throws OverlayError PROGRAM_MISSING, SYSTEM_CALL_FAILED with its standard error when it fails, DEADLINE_EXCEEDED
 */
export async function runProgram(program: string, words: readonly string[], input = ''): Promise<string> {
  // A process group of its own: Ctrl-C must not end it half-way, the lab is taken down in order.
  const child = spawn(program, words, {stdio: ['pipe', 'pipe', 'pipe'], detached: true})
  const command = [program, ...words].join(' ')
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => {}) // it ended without reading all: its exit code tells
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new OverlayError('DEADLINE_EXCEEDED', `${command} did not end within ${DEADLINE_MS / 1000} s`))
    }, DEADLINE_MS)
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      reject(programError(program, command, error))
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      if (code === 0) return resolve(stdout)
      const cause = stderr.trim().split('\n').slice(0, 3).join('; ')
      if (/not permitted|permission denied/i.test(stderr)) return reject(rootNeeded(command, cause))
      reject(new OverlayError('SYSTEM_CALL_FAILED', `${command} ended with code ${code}`, {cause}))
    })
  })
}

function rootNeeded(command: string, cause: string): OverlayError {
  return new OverlayError('PRIVILEGE_MISSING', `${command}: not permitted`, {cause, suggestions: ['run as root']})
}

function programError(program: string, command: string, error: NodeJS.ErrnoException): OverlayError {
  if (error.code !== 'ENOENT')
    return new OverlayError('SYSTEM_CALL_FAILED', `${command} could not start`, {cause: error})
  return new OverlayError('PROGRAM_MISSING', `${program} is not installed`, {
    suggestions: ['npm run setup', 'apt-get install iproute2'],
  })
}
