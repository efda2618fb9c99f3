import {spawn} from 'node:child_process'
import {closeSync, existsSync, mkdirSync, openSync, readFileSync} from 'node:fs'
import {connect} from 'node:net'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {OverlayError} from '../errors/index.js'
import type {DirectionChange} from './link-parameters.js'
import type {LinkPlan} from './plan.js'
import {identify, type ProcessIdentity} from './processes.js'
import {labDirectory, linkSocket} from './state.js'

/** What a link did to the packets of one direction since it came up. */
export interface LinkCounters {
  received: number
  forwarded: number
  lost: number
  duplicated: number
  reordered: number
  droppedByQueue: number
  droppedByRule: number
}

const START_DEADLINE_MS = 5000
const ANSWER_DEADLINE_MS = 3000
/** dist/native, seen from src/lib/lab as from dist/lib/lab. */
const PROGRAM = fileURLToPath(new URL('../../../dist/native/delay-line', import.meta.url))

/** Words of src/native/delay-line.c, by the keys of a direction. */
const WORDS: Record<keyof DirectionChange, string> = {
  delayMs: 'delay',
  jitterMs: 'jitter',
  lossPercent: 'loss',
  duplicatePercent: 'duplicate',
  reorderPercent: 'reorder',
  reorderDelayMs: 'reorder-delay',
  rateMbit: 'rate',
  queueBytes: 'queue',
  seed: 'seed',
  drop: 'drop',
  copy: 'copy',
  hold: 'hold',
}

/**
 * The settings of the delay line for a change of one direction.
 *
 * @param way `ab` from near to far, `ba` back
 */
export function settingWords(way: 'ab' | 'ba', change: DirectionChange): string[] {
  return Object.entries(change)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => {
      const text = Array.isArray(value) ? value.join(',') || 'none' : String(value)
      return `${way}.${WORDS[key as keyof DirectionChange]}=${text}`
    })
}

/**
 * Starts the delay line of a link in the wire namespace and waits until it carries packets.
 *
 * @param ownerPid the process with whose end it ends; null for one that stays
 * @throws OverlayError PROGRAM_MISSING when it was not built, SYSTEM_CALL_FAILED with what it said
 */
export async function startDelayLine(
  labName: string,
  wire: string,
  link: LinkPlan,
  ownerPid: number | null,
): Promise<ProcessIdentity> {
  if (!existsSync(PROGRAM)) {
    throw new OverlayError('PROGRAM_MISSING', 'the delay line (dist/native/delay-line) is not built', {
      suggestions: ['npm run setup'],
    })
  }

  const directory = join(labDirectory(labName), 'wire')
  mkdirSync(directory, {recursive: true})
  const logFile = join(directory, `${link.name}.log`)
  const log = openSync(logFile, 'w')
  const owner = ownerPid === null ? [] : ['--owner', String(ownerPid)]
  const ends = [link.near.lineInterface, link.far.lineInterface]
  const settings = [...settingWords('ab', link.towardsFar), ...settingWords('ba', link.towardsNear)]
  const child = spawn(
    'ip',
    ['netns', 'exec', wire, PROGRAM, '--socket', linkSocket(labName, link.name), ...owner, ...ends, ...settings],
    {stdio: ['ignore', 'pipe', log], detached: true, cwd: '/'},
  )
  closeSync(log)
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (cause: unknown): void => {
        reject(new OverlayError('SYSTEM_CALL_FAILED', `the delay line of link ${link.name} did not start`, {cause}))
      }

      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        fail('no answer in time')
      }, START_DEADLINE_MS)
      child.once('error', fail)
      child.once('exit', () => fail(readFileSync(logFile, 'utf8').trim()))
      child.stdout!.once('data', () => resolve())
      child.once('exit', () => clearTimeout(timer))
      child.stdout!.once('data', () => clearTimeout(timer))
    })
  } finally {
    child.removeAllListeners()
    child.stdout!.destroy()
    child.unref()
  }

  const identity = identify(child.pid!)
  if (!identity) throw new OverlayError('SYSTEM_CALL_FAILED', `the delay line of link ${link.name} ended at once`)
  return identity
}

/** Changes settings while packets are under way. */
export async function setDelayLine(labName: string, linkName: string, words: readonly string[]): Promise<void> {
  if (words.length > 0) await askDelayLine(labName, linkName, `set ${words.join(' ')}`)
}

/** Counters of both directions: near to far, then back. */
export async function delayLineCounters(labName: string, linkName: string): Promise<[LinkCounters, LinkCounters]> {
  const numbers = parseCounters(await askDelayLine(labName, linkName, 'stats'))
  return [countersOf(numbers, 'ab'), countersOf(numbers, 'ba')]
}

function countersOf(numbers: Map<string, number>, way: string): LinkCounters {
  const of = (...names: string[]): number => names.reduce((sum, name) => sum + (numbers.get(`${way}.${name}`) ?? 0), 0)
  return {
    received: of('received'),
    forwarded: of('forwarded'),
    lost: of('lost'),
    duplicated: of('duplicated'),
    reordered: of('reordered', 'held'),
    droppedByQueue: of('dropped-by-queue', 'overrun', 'oversize', 'unsent'),
    droppedByRule: of('dropped-by-rule'),
  }
}

/** Reads `ok ab.received=1 …`. */
export function parseCounters(answer: string): Map<string, number> {
  return new Map(
    answer
      .split(' ')
      .slice(1)
      .map((word) => word.split('='))
      .map(([name, value]) => [name, Number(value)]),
  )
}

/** One line to the delay line's socket, one line back. */
function askDelayLine(labName: string, linkName: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (code: 'DEADLINE_EXCEEDED' | 'UNREACHABLE' | 'USAGE', cause: unknown): void => {
      socket.destroy()
      reject(new OverlayError(code, `link ${linkName} of lab ${labName} did not take "${line.slice(0, 80)}"`, {cause}))
    }

    const socket = connect(linkSocket(labName, linkName))
    let answer = ''
    socket.setEncoding('utf8')
    socket.setTimeout(ANSWER_DEADLINE_MS, () => fail('DEADLINE_EXCEEDED', 'no answer in time'))
    socket.once('error', (error: NodeJS.ErrnoException) => fail('UNREACHABLE', error.code))
    socket.once('connect', () => socket.write(line + '\n'))
    socket.once('end', () => fail('UNREACHABLE', 'it closed the connection'))
    socket.on('data', (text: string) => {
      answer += text
      if (!answer.endsWith('\n')) return
      if (!answer.startsWith('ok')) return fail('USAGE', answer.trim())
      socket.destroy()
      resolve(answer.trim())
    })
  })
}
