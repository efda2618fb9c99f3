import {z} from 'zod'

import {textTable} from '../cli/table.js'
import {edgeSettings, gatewaySettings, type EdgeFlags, type GatewayFlags} from './relay-settings.js'
import {Resolution, type FlagSources, type Setting, type Shown} from './resolution.js'

/** The JSON of `overlay config show`. */
export const showSchema = z.strictObject({
  role: z.enum(['edge', 'gateway']),
  /** The file that was read; null without one. */
  file: z.string().nullable(),
  settings: z.array(
    z.strictObject({
      key: z.string(),
      value: z.union([z.string(), z.number(), z.boolean(), z.array(z.string()), z.null()]),
      origin: z.enum(['flag', 'environment', 'file', 'default', 'missing']),
      from: z.string().nullable(),
    }),
  ),
  warnings: z.array(z.string()).optional(),
})

export interface ConfigShown {
  role: 'edge' | 'gateway'
  file: string | null
  settings: Setting[]
}

/**
 * What `start` would run with, and where each value comes from. What is missing is shown as that.
 *
 * @param sources which of the flags stood on the command line, which in the environment
 * @throws OverlayError CONFIG_INVALID, USAGE as `start` does
 */
export function shownSettings(
  role: 'edge' | 'gateway',
  flags: EdgeFlags & GatewayFlags,
  sources: FlagSources,
): ConfigShown {
  const resolution = new Resolution(role, sources, true)
  if (role === 'edge') edgeSettings(flags, resolution)
  else gatewaySettings(flags, resolution)
  return {
    role,
    file: flags.config ?? null,
    settings: resolution.settings.sort((a, b) => (a.key < b.key ? -1 : 1)),
  }
}

/** A table; a value that nobody gives stands as a dash. */
export function renderShown({role, file, settings}: ConfigShown): string {
  const table = textTable(
    [{title: 'Key'}, {title: 'Value'}, {title: 'Origin'}],
    settings.map(({key, value, origin, from}) => [key, words(value), from === null ? origin : `${origin} ${from}`]),
  )
  return `${role}, ${file === null ? 'without a file' : `file ${file}`}\n\n${table}`
}

function words(value: Shown): string {
  if (value === null) return '-'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.join(' ')
  return String(value)
}
