import {z} from 'zod'

import {OverlayError} from '../errors/index.js'
import {OriginAllowList} from '../relay/origin-allow-list.js'
import {parseAddress, parseEndpoint, parseNetworkAddress} from '../wire/endpoint.js'
import {parseDuration} from './duration.js'

/** Kinds of values in the configuration file. */

export const endpoint = text('address:port', (value, what) => parseEndpoint(value, what))
export const address = text('address', (value, what) => parseAddress(value, what))
export const networkAddress = text('address/prefix', (value, what) => parseNetworkAddress(value, what))
export const allowedOrigin = text('origin', (value, what) => new OriginAllowList([value], what).texts[0])

/** ms. */
export const duration = text('duration', (value, what) => parseDuration(value, what))

/** PATH_MAX. */
export const path = z
  .string()
  .min(1)
  .max(4096)
  // eslint-disable-next-line no-control-regex
  .regex(/^[^\u0000-\u001F\u007F]*$/, 'not a path: a control character stands in it')

/** IFNAMSIZ less the NUL; see dev_valid_name(). */
export const interfaceName = z.string().regex(/^(?!\.\.?$)[^\s/:]{1,15}$/, 'not the name of an interface')

/** TCP_CA_NAME_MAX less the NUL. */
export const congestionControlName = z.string().regex(/^\w{1,15}$/, 'not the name of a congestion control, e.g. bbr')

/** A key that may be left out. @param fallback what holds then, as it would stand in the file; for docs and JSON Schema */
export function optional<Schema extends z.ZodType>(schema: Schema, description: string, fallback?: unknown) {
  return schema.optional().meta({description, ...(fallback !== undefined && {default: fallback})})
}

/** A key that must be there. */
export function needed<Schema extends z.ZodType>(schema: Schema, description: string): Schema {
  return schema.meta({description})
}

/**
 * A rule between keys of one section. It is judged when the keys themselves are good, whatever else is wrong, so that all
 * problems are found in one go.
 *
 * @param keys that the rule reads
 * @param judge returns the problems, each with the place of what to change
 */
export function rule<Section>(keys: readonly (keyof Section & string)[], judge: (section: Section) => RuleProblem[]) {
  return z.superRefine<Section>(
    (section, context) => {
      for (const {at, message} of judge(section)) context.addIssue({code: 'custom', path: [...at], message})
    },
    {
      when: ({value, issues}) =>
        typeof value === 'object' &&
        value !== null &&
        !issues.some((issue) => issue.path === undefined || (keys as unknown[]).includes(issue.path[0])),
    },
  )
}

/**
 * A rule between the members of a list: judged over those that are good themselves.
 *
 * @param judge gets the list with undefined in the place of what is not good
 */
export function listRule<Key extends string, Item>(
  key: Key,
  judge: (items: readonly (Item | undefined)[]) => RuleProblem[],
) {
  return z.superRefine<{[K in Key]?: readonly Item[] | undefined}>(
    (section, context) => {
      const items = section[key]
      if (!Array.isArray(items)) return
      const bad = new Set(context.issues.filter(({path}) => path?.[0] === key).map(({path}) => path?.[1]))
      const good = (items as readonly Item[]).map((item, index) => (bad.has(index) ? undefined : item))
      for (const {at, message} of judge(good)) context.addIssue({code: 'custom', path: [...at], message})
    },
    {when: ({value}) => typeof value === 'object' && value !== null},
  )
}

export interface RuleProblem {
  /** Path within the section. */
  at: readonly (number | string)[]
  message: string
}

/** One problem for each member that stands twice; what is undefined is passed over. @param same text that is equal for equal members */
export function repeated<Item>(
  items: readonly (Item | undefined)[],
  same: (item: Item) => string,
  problem: (item: Item, index: number, first: number) => RuleProblem,
): RuleProblem[] {
  const seen = new Map<string, number>()
  const problems: RuleProblem[] = []
  for (const [index, item] of items.entries()) {
    if (item === undefined) continue
    const first = seen.get(same(item))
    if (first === undefined) seen.set(same(item), index)
    else problems.push(problem(item, index, first))
  }

  return problems
}

/**
 * A string that a reader of ours turns into a value; its message becomes the problem's.
 *
 * @param format what it is, for JSON Schema and docs
 */
function text<Value>(format: string, read: (value: string, what: string) => Value) {
  const written = z.string().meta({format})
  return written.transform((value, context) => {
    try {
      return read(value, 'value')
    } catch (error) {
      const message = error instanceof OverlayError ? error.message.replace(/^value: /, '') : String(error)
      context.addIssue({code: 'custom', message})
      return z.NEVER
    }
  })
}
