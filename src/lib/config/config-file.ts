import {readFileSync} from 'node:fs'
import {LineCounter, isMap, isNode, parseDocument, type Document} from 'yaml'
import type {z} from 'zod'

import {nearest} from '../cli/nearest.js'
import {OverlayError} from '../errors/index.js'
import {configSchema, type ConfigFile} from './schema.js'

/** One thing wrong with a configuration file. */
export interface ConfigProblem {
  /** Dotted path, e.g. `edge.services.0.listen`; empty for the file itself. */
  key: string
  /** Counted from 1; null when it cannot be told. */
  line: number | null
  message: string
  suggestion?: string
}

/**
 * Reads a configuration file.
 *
 * @throws OverlayError CONFIG_INVALID naming the first problem with its line, and how many there are
 */
export function readConfigFile(path: string): ConfigFile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new OverlayError('CONFIG_INVALID', `configuration file ${path} cannot be read`, {
      cause: (error as NodeJS.ErrnoException).code,
    })
  }

  const {config, problems} = parseConfig(text)
  if (config) return config
  throw problemError(path, problems)
}

/** @param path of the file that has the problems, of which there is one at least */
export function problemError(path: string, problems: readonly ConfigProblem[]): OverlayError {
  const [first] = problems
  const where = first.line === null ? path : `${path}, line ${first.line}`
  const key = first.key === '' ? '' : `${first.key}: `
  return new OverlayError('CONFIG_INVALID', `${where}: ${key}${first.message}`, {
    cause: problems.length > 1 ? `and ${problems.length - 1} more` : undefined,
    suggestions: first.suggestion ? [first.suggestion] : [],
  })
}

/** The same from text: the configuration, or what is wrong with it. */
export function parseConfig(text: string): {config: ConfigFile | null; problems: ConfigProblem[]} {
  return parseYaml(text, configSchema)
}

/** YAML of any schema: what it says, or what is wrong with it, each problem with its key and line. */
export function parseYaml<Schema extends z.ZodType>(
  text: string,
  schema: Schema,
): {config: z.output<Schema> | null; problems: ConfigProblem[]} {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, {lineCounter})
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      key: '',
      line: lineCounter.linePos(error.pos[0]).line,
      message: error.message.split('\n')[0].replace(/ at line \d+.*$/, ''),
    }))
    return {config: null, problems}
  }

  const result = schema.safeParse(document.toJS() ?? {})
  if (result.success) return {config: result.data, problems: []}
  const problems = result.error.issues.flatMap((issue) => describe(issue, schema, document, lineCounter))
  return {config: null, problems}
}

function describe(issue: z.core.$ZodIssue, schema: z.ZodType, document: Document, lines: LineCounter): ConfigProblem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path)
    return issue.keys.map((key) => {
      const near = nearest(key, known)
      return {
        key: [...path, key].join('.'),
        line: lineOf(document, lines, [...path, key]),
        message: 'there is no such key',
        suggestion: near ? `${near}` : `known here: ${known.join(', ')}`,
      }
    })
  }

  return [{key: path.join('.'), line: lineOf(document, lines, path), message: issue.message}]
}

/** The keys that the schema has at a path. */
function knownKeys(root: z.ZodType, path: readonly (number | string)[]): string[] {
  let schema: unknown = root
  for (const part of path) {
    schema = unwrap(schema)
    const inner = schema as {shape?: Record<string, unknown>; element?: unknown}
    schema = typeof part === 'number' ? inner.element : inner.shape?.[part]
  }

  return Object.keys((unwrap(schema) as {shape?: object} | undefined)?.shape ?? {})
}

function unwrap(schema: unknown): unknown {
  let inner = schema as {unwrap?: () => unknown; element?: unknown} | undefined
  while (inner && typeof inner.unwrap === 'function' && inner.element === undefined) {
    inner = inner.unwrap() as typeof inner
  }

  return inner
}

/** The line of a key; of its nearest ancestor when the key itself is not there. */
function lineOf(document: Document, lines: LineCounter, path: readonly (number | string)[]): number | null {
  for (let {length} = path; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    const last = path[length - 1]
    const key = isMap(parent)
      ? parent.items.find((pair) => isNode(pair.key) && pair.key.toJSON() === last)?.key
      : document.getIn(path.slice(0, length), true)
    if (isNode(key) && key.range) return lines.linePos(key.range[0]).line
  }

  return null
}
