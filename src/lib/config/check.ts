import {z} from 'zod'

import {readYaml, type ConfigProblem} from './config-file.js'
import {configSchema, type ConfigFile} from './schema.js'

/** The JSON of `overlay config check`. */
export const checkSchema = z.strictObject({
  valid: z.boolean(),
  problems: z.array(
    z.strictObject({
      key: z.string(),
      line: z.int().min(1),
      message: z.string(),
      suggestion: z.string().optional(),
    }),
  ),
  warnings: z.array(z.string()).optional(),
})

export interface CheckReport {
  valid: boolean
  problems: ConfigProblem[]
}

/**
 * Judges a configuration file as `start` would.
 *
 * @returns the report, and what flags or environment must add to a good file before it can be started with
 * @throws OverlayError CONFIG_INVALID when the file cannot be read
 */
export function checkConfigFile(path: string): {report: CheckReport; incomplete: string[]} {
  const {config, problems} = readYaml(path, 'configuration file', configSchema)
  return {
    report: {valid: config !== null, problems},
    incomplete: config === null ? [] : incomplete(config),
  }
}

function incomplete({edge, gateway}: ConfigFile): string[] {
  const lines: string[] = []
  const lacks = (key: string, flags: string): number => lines.push(`${key} is not there: start needs ${flags}`)
  if (edge && !edge.keyFile) lacks('edge.keyFile', '--key-file')
  if (edge && !edge.services) lacks('edge.services', '--listen, --origin and --gateway')
  if (gateway && !gateway.keyFile) lacks('gateway.keyFile', '--key-file')
  if (gateway && !gateway.listen) lacks('gateway.listen', '--listen')
  if (gateway && !gateway.allowOrigins) lacks('gateway.allowOrigins', '--allow-origin')
  return lines
}

/** One line for each problem, as compilers print them. */
export function renderCheck(path: string, {valid, problems}: CheckReport): string {
  if (valid) return `${path}: valid`
  const lines = problems.map(({key, line, message, suggestion}) => {
    const named = key === '' ? '' : `${key}: `
    const hint =
      suggestion === undefined
        ? ''
        : suggestion.startsWith('known here')
          ? ` (${suggestion})`
          : `; did you mean ${suggestion}?`
    return `${path}:${line}: ${named}${message}${hint}`
  })
  return [...lines, `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`].join('\n')
}
