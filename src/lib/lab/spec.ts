import {readFileSync} from 'node:fs'
import {parse as parseYaml, YAMLParseError} from 'yaml'
import {z} from 'zod'

import {nearest} from '../cli/nearest.js'
import {OverlayError} from '../errors/index.js'
import {directionShape} from './link-parameters.js'

/** The links in the order of the path, then the direct ones between the members of a pair. */
export const LINK_NAMES = [
  'client-edge',
  'edge-gateway',
  'gateway-origin',
  'edge-replication',
  'gateway-replication',
] as const
export type LinkName = (typeof LINK_NAMES)[number]

/** Round trips of a link that the specification does not mention, in milliseconds. */
export const DEFAULT_RTT_MS: Record<LinkName, number> = {
  'client-edge': 10,
  'edge-gateway': 80,
  'gateway-origin': 2,
  'edge-replication': 1,
  'gateway-replication': 1,
}

const linkShape = {
  rttMs: z.number().min(0).max(120_000).optional(),
  ...directionShape,
  towards: z.record(z.string(), z.strictObject(directionShape)).optional(),
}
const link = z
  .strictObject(linkShape)
  .refine((value) => value.rttMs === undefined || value.delayMs === undefined, 'give rttMs or delayMs, not both')

const specShape = {
  name: z
    .string()
    .regex(/^[\da-z][\da-z-]{0,23}$/, 'a name is up to 24 of a-z, 0-9 and -')
    .optional(),
  pairs: z.array(z.enum(['edge', 'gateway'])).optional(),
  congestionControl: z
    .string()
    .regex(/^\w{1,15}$/)
    .optional(),
  linkEngine: z.enum(['auto', 'bridge', 'delay-line', 'netem']).optional(),
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 40)
    .optional(),
  links: z
    .strictObject(
      Object.fromEntries(LINK_NAMES.map((name) => [name, link.optional()])) as Record<
        LinkName,
        z.ZodOptional<typeof link>
      >,
    )
    .optional(),
}

/** What a lab is built from. Everything is optional; docs/LAB.md describes each key. */
export const labSpecSchema = z.strictObject(specShape)
export type LabSpec = z.infer<typeof labSpecSchema>
export type LinkSpec = z.infer<typeof link>
export type LinkEngineName = NonNullable<LabSpec['linkEngine']>

/**
 * Checks a specification that came from outside.
 *
 * @param source names it in the error, e.g. the file
 * @throws OverlayError CONFIG_INVALID that names the key at fault, and for an unknown one the nearest known
 */
export function checkSpec(value: unknown, source: string): LabSpec {
  const result = labSpecSchema.safeParse(value ?? {})
  if (result.success) return result.data
  const issue = result.error.issues[0]
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]
    const known = knownKeys(issue.path)
    const near = nearest(key, known)
    throw new OverlayError('CONFIG_INVALID', `${source}: ${[...issue.path, key].join('.')} is not a key of a lab`, {
      suggestions: [near ? `did you mean ${near}?` : `keys here: ${known.join(', ')}`],
    })
  }

  const where = issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''
  throw new OverlayError('CONFIG_INVALID', `${source}: ${where}${issue.message}`)
}

/**
 * Reads a lab from a YAML file.
 *
 * @throws OverlayError NOT_FOUND when it cannot be read, CONFIG_INVALID when it is not YAML or not a lab
 */
export function readSpec(path: string): LabSpec {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new OverlayError('NOT_FOUND', `lab file ${path} cannot be read`, {
      cause: (error as NodeJS.ErrnoException).code,
    })
  }

  try {
    return checkSpec(parseYaml(text), path)
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error
    const line = error.linePos?.[0].line
    throw new OverlayError('CONFIG_INVALID', `${path}${line ? `, line ${line}` : ''}: not YAML`, {cause: error.code})
  }
}

function knownKeys(path: PropertyKey[]): string[] {
  if (path.length === 0) return Object.keys(specShape)
  if (path.length === 1) return [...LINK_NAMES]
  return Object.keys(path.length === 2 ? linkShape : directionShape)
}
