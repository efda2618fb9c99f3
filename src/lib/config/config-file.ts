import {LineCounter, parseDocument, type Document, type YAMLError} from 'yaml'
import type {z} from 'zod'

import {OverlayError} from '../errors/index.js'
import {readBytes} from './config-text.js'
import {issueWords} from './issue-words.js'
import {LineIndex} from './line-index.js'
import {configSchema, type ConfigFile} from './schema.js'
import {yamlText} from './yaml-guard.js'

/** One thing wrong with a configuration file. */
export interface ConfigProblem {
  /** Dotted path, e.g. `edge.services.0.listen`; the nearest key before it for what is no YAML; empty for the file itself. */
  key: string
  /** Counted from 1. */
  line: number
  message: string
  suggestion?: string
}

/** What a YAML file says, or what is wrong with it. */
export interface Parsed<Config> {
  config: Config | null
  problems: ConfigProblem[]
}

/** Problems that are told of one file; what is beyond is counted. */
const MOST_PROBLEMS = 1000

/** Characters of a key or message; values of the file stand in them. */
const LONGEST_TEXT = 300

/** Nodes that aliases may stand for (maxAliasCount of yaml). */
const MOST_ALIASES = 100

/**
 * Reads a configuration file.
 *
 * @throws OverlayError CONFIG_INVALID naming the first problem with its line, and how many there are
 */
export function readConfigFile(path: string): ConfigFile {
  const {config, problems} = readYaml(path, 'configuration file', configSchema)
  if (config) return config
  throw problemError(path, problems)
}

/**
 * The same for any schema, without the verdict.
 *
 * @param what kind of file it is, for the message when it cannot be read
 * @throws OverlayError CONFIG_INVALID when the file cannot be read
 */
export function readYaml<Schema extends z.ZodType>(
  path: string,
  what: string,
  schema: Schema,
): Parsed<z.output<Schema>> {
  return parseBytes(readBytes(path, what), schema)
}

/** @param path of the file that has the problems, of which there is one at least */
export function problemError(path: string, problems: readonly ConfigProblem[]): OverlayError {
  const [first] = problems
  const key = first.key === '' ? '' : `${first.key}: `
  return new OverlayError('CONFIG_INVALID', `${path}, line ${first.line}: ${key}${first.message}`, {
    cause: problems.length > 1 ? `and ${problems.length - 1} more` : undefined,
    suggestions: first.suggestion ? [first.suggestion] : [],
  })
}

/** The configuration of a text, or what is wrong with it. */
export function parseConfig(text: string): Parsed<ConfigFile> {
  return parseBytes(Buffer.from(text), configSchema)
}

/** YAML of any schema, each problem with its key and line. Never throws. */
export function parseBytes<Schema extends z.ZodType>(bytes: Buffer, schema: Schema): Parsed<z.output<Schema>> {
  const text = yamlText(bytes)
  if (typeof text !== 'string') return {config: null, problems: [{key: '', ...text}]}
  const counter = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: counter,
    logLevel: 'error',
    merge: false,
    prettyErrors: false,
    // Sets, dates and binary data of YAML 1.1 are no values of ours.
    resolveKnownTags: false,
    schema: 'core',
    stringKeys: true,
    uniqueKeys: false,
  })
  const index = new LineIndex(document, counter)
  const problems: ConfigProblem[] = index.repeated.map(({path, line}) => ({
    key: path.join('.'),
    line,
    message: 'the key stands there twice',
  }))
  // A tag that is not known is a warning to the parser: the value would not be what its author meant.
  const broken = [...document.errors, ...document.warnings]
  if (broken.length > 0) {
    return {config: null, problems: told([...problems, ...broken.map((error) => yamlProblem(error, index))])}
  }

  // Of a file that says something twice, the rest can be judged.
  const value = plainValue(document, index)
  if ('problem' in value) return {config: null, problems: told([...problems, value.problem])}
  const result = schema.safeParse(value.plain ?? {}, {reportInput: true})
  if (!result.success) {
    for (const {path, ...rest} of result.error.issues.flatMap((issue) => issueWords(issue, schema))) {
      problems.push({key: path.join('.'), line: index.lineOf(path), ...rest})
    }
  }

  return problems.length === 0 ? {config: result.data!, problems} : {config: null, problems: told(problems)}
}

function plainValue(document: Document, index: LineIndex): {plain: unknown} | {problem: ConfigProblem} {
  try {
    return {plain: document.toJS({maxAliasCount: MOST_ALIASES})}
  } catch (error) {
    const {path, line} = index.firstAlias()
    return {problem: {key: path.join('.'), line, message: (error as Error).message}}
  }
}

function yamlProblem(error: YAMLError, index: LineIndex): ConfigProblem {
  const [offset] = error.pos
  return {
    key: index.keyAt(offset).join('.'),
    line: index.lineAt(offset),
    message: error.message.split('\n')[0],
  }
}

/** In the order of the file, cut to what a terminal shows. */
function told(problems: ConfigProblem[]): ConfigProblem[] {
  const ordered = problems.sort((a, b) => a.line - b.line)
  const more = ordered.length - MOST_PROBLEMS
  const shown = ordered.slice(0, MOST_PROBLEMS).map((problem) => ({
    ...problem,
    key: printable(problem.key),
    message: printable(problem.message),
  }))
  if (more > 0) shown.push({key: '', line: ordered[MOST_PROBLEMS].line, message: `and ${more} more problems`})
  return shown
}

/** Values of the file come to a terminal and a log: no control characters, and no more than can be read. */
function printable(text: string): string {
  const cut =
    text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT / 2)} … ${text.slice(-LONGEST_TEXT / 2)}` : text
  return cut.replaceAll(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}
