/** What stood on a command line, as oclif's parser reports it. */
interface Token {
  type: string
  flag?: string
}

/**
 * Which flags were given, and how: by a word on the command line, or else by a variable of the environment.
 *
 * @param flags by name, as a command declares them
 * @param raw tokens of the parser
 */
export function flagSources(
  flags: Readonly<Record<string, {env?: string}>>,
  raw: readonly Token[],
  environment: Readonly<Record<string, string | undefined>>,
): Map<string, {origin: 'environment' | 'flag'; from: string}> {
  const sources = new Map<string, {origin: 'environment' | 'flag'; from: string}>()
  for (const [name, {env}] of Object.entries(flags)) {
    if (raw.some((token) => token.type === 'flag' && token.flag === name)) {
      sources.set(name, {origin: 'flag', from: `--${name}`})
    } else if (env !== undefined && environment[env] !== undefined) {
      sources.set(name, {origin: 'environment', from: env})
    }
  }

  return sources
}
