import type {z} from 'zod'

import {nearest} from '../cli/nearest.js'

type Part = number | string

/** A problem of the schema in words, before it is placed in the file. */
export interface IssueWords {
  path: Part[]
  message: string
  suggestion?: string
}

/** Longer keys are not looked up: no key of ours is. */
const LONGEST_KEY = 40

/** Zod's issue in the words of an operator. The issue carries its input (`reportInput`). */
export function issueWords(issue: z.core.$ZodIssue, root: z.ZodType, above: readonly Part[] = []): IssueWords[] {
  const path = [...above, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))]
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(root, path)
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: 'there is no such key',
        suggestion: (key.length <= LONGEST_KEY ? nearest(key, known) : undefined) ?? `known here: ${known.join(', ')}`,
      }))
    }

    case 'invalid_union': {
      // Of one or a list: what is wrong with the form that was chosen.
      const branch = Array.isArray(issue.input) ? issue.errors.at(-1) : issue.errors[0]
      if (!branch || branch.length === 0) return [{path, message: issue.message}]
      return branch.flatMap((inner) => issueWords(inner, root, path))
    }

    default: {
      return [{path, message: words(issue)}]
    }
  }
}

function words(issue: z.core.$ZodIssue): string {
  const {input} = issue
  switch (issue.code) {
    case 'invalid_type': {
      if (input === undefined) return 'must be there and is not'
      return `is ${kind(input)}, and must be ${EXPECTED[issue.expected] ?? issue.expected}`
    }

    case 'invalid_value': {
      return `must be ${issue.values.map(String).join(' or ')}`
    }

    case 'too_small': {
      return `must be ${amount(issue.origin, issue.minimum)} at least`
    }

    case 'too_big': {
      return `must be ${amount(issue.origin, issue.maximum)} at most`
    }

    default: {
      return issue.message
    }
  }
}

const EXPECTED: Record<string, string> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'a section with keys',
  string: 'a text',
}

function kind(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a section with keys'
  if (typeof value === 'string') return `the text "${value}"`
  return String(value)
}

function amount(origin: string, limit: bigint | number): string {
  if (origin === 'array') return `a list of ${limit}`
  return origin === 'string' ? `of ${limit} characters` : String(limit)
}

/** The keys that the schema has at a path. */
function knownKeys(root: z.ZodType, path: readonly Part[]): string[] {
  let schema: unknown = root
  for (const part of path) {
    schema = unwrap(schema)
    const inner = schema as {shape?: Record<string, unknown>; element?: unknown} | undefined
    schema = typeof part === 'number' ? inner?.element : inner?.shape?.[part]
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
