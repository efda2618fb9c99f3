import {readFileSync, writeFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

const MANIFEST = fileURLToPath(new URL('../../oclif.manifest.json', import.meta.url))
export const SNAPSHOT = fileURLToPath(new URL('../snapshots/commands.json', import.meta.url))

/** What scripts of other people depend on: names, shapes and defaults; not wording. */
interface Word {
  type?: string
  char?: string
  required?: boolean
  multiple?: boolean
  default?: unknown
  options?: string[]
  env?: string
  exclusive?: string[]
  dependsOn?: string[]
  allowNo?: boolean
  hidden?: boolean
}

interface ManifestCommand {
  args: Record<string, Word>
  flags: Record<string, Word>
  hidden?: boolean
  aliases: string[]
  strict: boolean
}

const KEPT = [
  'type',
  'char',
  'required',
  'multiple',
  'default',
  'options',
  'env',
  'exclusive',
  'dependsOn',
  'allowNo',
  'hidden',
] as const

/** Every command with its arguments (in order) and flags (by name), as oclif.manifest.json has them. */
export function commandsOfManifest(): Record<string, object> {
  const {commands} = JSON.parse(readFileSync(MANIFEST, 'utf8')) as {commands: Record<string, ManifestCommand>}
  return Object.fromEntries(
    Object.keys(commands)
      .sort()
      .map((id) => [id.replaceAll(':', ' '), describe(commands[id])]),
  )
}

function describe({args, flags, hidden, aliases, strict}: ManifestCommand): object {
  return {
    ...(hidden && {hidden}),
    ...(aliases.length > 0 && {aliases}),
    ...(!strict && {takesMoreWords: true}),
    args: Object.entries(args).map(([name, word]) => ({name, ...shape(word)})),
    flags: Object.fromEntries(
      Object.keys(flags)
        .sort()
        .map((name) => [name, shape(flags[name])]),
    ),
  }
}

function shape(word: Word): object {
  return Object.fromEntries(
    KEPT.filter((key) => {
      const value = word[key]
      return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)
    }).map((key) => [key, word[key]]),
  )
}

/** `npm run snapshot` */
export function writeSnapshot(): void {
  writeFileSync(SNAPSHOT, JSON.stringify(commandsOfManifest(), null, 2) + '\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeSnapshot()
