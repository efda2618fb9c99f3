import {Lexer} from 'yaml'

import {LARGEST_FILE} from './config-text.js'

/**
 * What is refused before the YAML parser sees it. The parser recurses by nesting, so that 20,000 brackets exhaust its stack
 * or all memory, and takes seconds over a megabyte of commas.
 */

/** Levels of `[`, `{`, and of `- ` or `? ` on one line. A configuration has six. */
const DEEPEST = 32

/** Columns that a line may be indented by. */
const WIDEST_INDENT = 256

/** Words and signs. A configuration with 256 services has 15,000. */
const MOST_TOKENS = 30_000

export interface Unfit {
  /** Counted from 1. */
  line: number
  message: string
}

/**
 * Reads bytes as the text of a YAML file.
 *
 * @returns the text, or why it cannot be one
 */
export function yamlText(bytes: Buffer): string | Unfit {
  if (bytes.length > LARGEST_FILE) return {line: 1, message: `larger than ${LARGEST_FILE} bytes`}
  const bad = firstBadByte(bytes)
  if (bad !== null) return {line: lineAt(bytes, bad.at), message: bad.what}
  const text = bytes.toString('utf8')
  return excess(text) ?? text
}

/** Neither UTF-8, nor a character that YAML allows (YAML 1.2 section 5.1). */
function firstBadByte(bytes: Buffer): {at: number; what: string} | null {
  const control = bytes.findIndex((byte) => (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13) || byte === 0x7f)
  const valid = validPrefix(bytes)
  if (control !== -1 && control < valid) {
    return {at: control, what: `a control character (0x${bytes[control].toString(16).padStart(2, '0')})`}
  }

  return valid < bytes.length ? {at: valid, what: `not UTF-8 (byte 0x${bytes[valid].toString(16)})`} : null
}

/** How many bytes from the start are UTF-8. */
function validPrefix(bytes: Buffer): number {
  let good = 0
  let bad = bytes.length + 1
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (isUtf8Start(bytes.subarray(0, middle))) good = middle
    else bad = middle
  }

  return good
}

/** A sequence that is cut off at the end is good until more of it is seen, unless this is all. */
function isUtf8Start(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf8', {fatal: true}).decode(bytes, {stream: true})
    return true
  } catch {
    return false
  }
}

function lineAt(bytes: Buffer, at: number): number {
  let line = 1
  for (let i = 0; i < at; i++) if (bytes[i] === 10) line++
  return line
}

/** More of something than the parser is given. */
function excess(text: string): Unfit | null {
  let line = 1
  let flow = 0
  let indicators = 0
  let indent = 0
  let tokens = 0
  let atLineStart = true
  for (const token of new Lexer().lex(text)) {
    if (++tokens > MOST_TOKENS) return {line, message: `more than ${MOST_TOKENS} words and signs`}
    const first = token[0]
    if (first === '[' || first === '{') flow++
    else if (first === ']' || first === '}') flow--
    else if (token === '-' || token === '?' || token === ':') indicators++
    else if (atLineStart && first === ' ') indent = token.length
    if (flow > DEEPEST || indicators > DEEPEST * 2) return {line, message: `nested deeper than ${DEEPEST} levels`}
    const breaks = countBreaks(token)
    const blank = first === ' ' || first === '\n' || first === '\r' || first === '#' || first < ' '
    if (indent > WIDEST_INDENT && !blank && flow === 0) {
      return {line, message: `indented by more than ${WIDEST_INDENT} columns`}
    }

    if (breaks > 0) {
      line += breaks
      indicators = 0
      indent = 0
    }

    atLineStart = breaks > 0 || (atLineStart && first < ' ')
  }

  return null
}

function countBreaks(token: string): number {
  let count = 0
  for (let at = token.indexOf('\n'); at !== -1; at = token.indexOf('\n', at + 1)) count++
  return count
}
