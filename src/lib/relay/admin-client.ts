import {connect} from 'node:net'

import {OverlayError, type ErrorJson} from '../errors/index.js'
import type {FlowQuery} from './flow-schema.js'
import {JsonLines} from './json-lines.js'
import {InstanceDirectory, instanceNames, type RelayRole} from './run-directory.js'

export type AdminRequest =
  | {command: 'status'}
  | {command: 'drain'; timeoutMs?: number}
  | (FlowQuery & {command: 'flows'})
  | {command: 'pair-claim' | 'pair-handover' | 'reload' | 'reload-keys'}

export interface AskOptions {
  /** Takes the parts of a long answer, in their order. */
  part?: (part: unknown) => void
  /** Whoever asks does not want to know any more. */
  signal?: AbortSignal
}

/**
 * Asks a running edge or gateway.
 *
 * @param deadlineMs for the answer, and for each part of one
 * @throws OverlayError NOT_RUNNING, DEADLINE_EXCEEDED, or what the instance itself reports; what the signal was given
 */
export async function askInstance<Result>(
  role: RelayRole,
  name: string,
  request: AdminRequest,
  deadlineMs: number,
  options: AskOptions = {},
): Promise<Result> {
  return askSocket(new InstanceDirectory(role, name), request, deadlineMs, options)
}

/** Where an instance is asked: {@link InstanceDirectory}, or the same of another run directory. */
export type AdminPlace = Pick<InstanceDirectory, 'adminSocket' | 'name' | 'role'>

/** The same for an instance whose run directory is another one, as a lab's hosts have. */
export async function askSocket<Result>(
  place: AdminPlace,
  request: AdminRequest,
  deadlineMs: number,
  options: AskOptions = {},
): Promise<Result> {
  const answer = await exchange(place, request, deadlineMs, options)
  if (answer.error) {
    const {code, message, cause, suggestions} = answer.error
    throw new OverlayError(code, message, {cause, suggestions})
  }

  return answer.result as Result
}

interface Answer {
  part?: unknown
  result?: unknown
  error?: ErrorJson
}

function exchange(
  {role, name, adminSocket}: AdminPlace,
  request: AdminRequest,
  deadlineMs: number,
  {part, signal}: AskOptions,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const lines = new JsonLines()
    const socket = connect(adminSocket)
    const finish = (act: () => void): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abandon)
      socket.destroy()
      act()
    }

    const abandon = (): void => finish(() => reject(signal!.reason))

    const timer = setTimeout(() => {
      finish(() =>
        reject(new OverlayError('DEADLINE_EXCEEDED', `${role} "${name}" did not answer within ${deadlineMs} ms`)),
      )
    }, deadlineMs)
    signal?.addEventListener('abort', abandon)
    socket.setEncoding('utf8')
    socket.on('error', (error: NodeJS.ErrnoException) => finish(() => reject(connectError(role, name, error))))
    socket.on('close', () => finish(() => reject(notRunning(role, name))))
    socket.on('data', (text: string) => {
      try {
        for (const answer of lines.push(text) as Answer[]) {
          if (answer.part === undefined) {
            finish(() => resolve(answer))
            return
          }

          part?.(answer.part)
          timer.refresh()
        }
      } catch (error) {
        finish(() => reject(error))
      }
    })
    socket.write(JSON.stringify(request) + '\n')
  })
}

function connectError(role: RelayRole, name: string, error: NodeJS.ErrnoException): OverlayError {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new OverlayError('PRIVILEGE_MISSING', `${role} "${name}" belongs to another user`, {
      suggestions: ['run as the user that started it, or as root'],
    })
  }

  return notRunning(role, name)
}

function notRunning(role: RelayRole, name: string): OverlayError {
  const others = instanceNames(role).filter((other) => other !== name)
  return new OverlayError('NOT_RUNNING', `no ${role} "${name}" is running here`, {
    suggestions: [
      ...(others.length > 0 ? [`--name ${others.join(', or --name ')}`] : []),
      `overlay ${role} start --help`,
    ],
  })
}
