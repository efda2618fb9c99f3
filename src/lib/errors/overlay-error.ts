import {ERROR_CODES, type ErrorCode, type ExitCode} from './codes.js'

export interface OverlayErrorDetails {
  /** What lies underneath, in words a user can act on; an Error contributes its message. */
  cause?: unknown
  /** Ways out, each a sentence or a command to run. */
  suggestions?: string[]
}

/** The shape of `error` in JSON output; a contract (docs/ERRORS.md). */
export interface ErrorJson {
  code: ErrorCode
  message: string
  cause: string | null
  suggestions: string[]
}

/**
 * An error with a stable code, meant for the user: the message names the value at fault, the suggestions name the way
 * out. Anything thrown that is not one of these is a bug and is reported as INTERNAL.
 */
export class OverlayError extends Error {
  readonly code: ErrorCode
  readonly suggestions: string[]

  constructor(code: ErrorCode, message: string, details: OverlayErrorDetails = {}) {
    super(message, {cause: details.cause})
    this.name = 'OverlayError'
    this.code = code
    this.suggestions = details.suggestions ?? []
  }

  get exitCode(): ExitCode {
    return ERROR_CODES[this.code].exit
  }

  toJson(): ErrorJson {
    return {code: this.code, message: this.message, cause: describeCause(this.cause), suggestions: this.suggestions}
  }

  /** The same as text, as a terminal shows it. */
  toText(): string {
    const lines = [`Error: ${this.message} [${this.code}]`]
    const cause = describeCause(this.cause)
    if (cause !== null) lines.push(`  because: ${cause}`)
    for (const suggestion of this.suggestions) lines.push(`  try: ${suggestion}`)
    return lines.join('\n')
  }
}

function describeCause(cause: unknown): string | null {
  if (cause === undefined || cause === null) return null
  if (cause instanceof Error) return cause.message
  return String(cause)
}

/**
 * Turns anything thrown into an OverlayError. Errors of the command-line parser become USAGE; the rest is INTERNAL, its
 * message kept and its stack left out of what users see (`OVERLAY_DEBUG=1` shows it).
 */
export function toOverlayError(thrown: unknown): OverlayError {
  if (thrown instanceof OverlayError) return thrown
  if (isParserError(thrown)) return fromParserError(thrown)
  if (isSystemError(thrown)) return fromSystemError(thrown)
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new OverlayError('INTERNAL', message || 'an error without a message', {
    cause: thrown instanceof Error && thrown.name !== 'Error' ? thrown.name : undefined,
    suggestions: ['run again with OVERLAY_DEBUG=1 for the stack, and report it with the command line used'],
  })
}

/** What Node throws when a system call fails that nobody expected to. */
interface SystemError extends Error {
  code: string
  syscall: string
  path?: string
}

function isSystemError(thrown: unknown): thrown is SystemError {
  return thrown instanceof Error && 'syscall' in thrown && 'code' in thrown
}

function fromSystemError({code, syscall, path}: SystemError): OverlayError {
  const what = path === undefined ? syscall : `${syscall} ${path}`
  if (code === 'EACCES' || code === 'EPERM') {
    return new OverlayError('PRIVILEGE_MISSING', `${what}: not permitted`, {
      cause: code,
      suggestions: ['run as root, or grant CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF'],
    })
  }

  return new OverlayError(
    'SYSTEM_CALL_FAILED',
    code === 'ENOSPC' ? `${what}: no space is left there` : `${what} failed`,
    {
      cause: code,
      suggestions: code === 'ENOSPC' ? ['make room, or set OVERLAY_RUN_DIR to another file system'] : [],
    },
  )
}

interface ParserError extends Error {
  parse?: unknown
  oclif?: {exit?: number}
}

function isParserError(thrown: unknown): thrown is ParserError {
  return thrown instanceof Error && ('parse' in thrown || 'oclif' in thrown)
}

function fromParserError(error: ParserError): OverlayError {
  const [first, ...rest] = error.message.split('\n').map((line) => line.trim())
  const detail = rest.filter((line) => line !== '' && !line.startsWith('See more help'))
  return new OverlayError('USAGE', [first, ...detail].join(' '), {suggestions: ['add --help to see what it takes']})
}
