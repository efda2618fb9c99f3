/** The part of oclif.manifest.json that manual pages and completions are made from: what `--help` prints. */
export interface Manifest {
  version: string
  commands: Record<string, ManifestCommand>
}

export interface ManifestCommand {
  id: string
  summary?: string
  description?: string
  hidden?: boolean
  strict: boolean
  examples?: (string | {description: string; command: string})[]
  args: Record<string, {name: string; description?: string; required?: boolean; options?: string[]}>
  flags: Record<string, ManifestFlag>
}

export interface ManifestFlag {
  name: string
  type: 'boolean' | 'option'
  char?: string
  description?: string
  allowNo?: boolean
  multiple?: boolean
  required?: boolean
  hidden?: boolean
  options?: string[]
  default?: unknown
  env?: string
  helpValue?: string
}

/** What stands for topics in package.json (`oclif.topics`). */
export type Topics = Record<string, {description: string}>

/** A command as it is typed. */
export interface Typed {
  /** `edge start` */
  words: string
  command: ManifestCommand
  /** Those that the help shows, by name; `--help`, which oclif adds itself, at the end. */
  flags: ManifestFlag[]
}

const HELP: ManifestFlag = {name: 'help', char: 'h', type: 'boolean', description: 'show what the command does'}

/** Commands that the help shows, by name. */
export function typedCommands({commands}: Manifest): Typed[] {
  return Object.values(commands)
    .filter((command) => !command.hidden)
    .map((command) => ({
      words: command.id.replaceAll(':', ' '),
      command,
      flags: [
        ...Object.values(command.flags)
          .filter((flag) => !flag.hidden)
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
        HELP,
      ],
    }))
    .sort((a, b) => (a.words < b.words ? -1 : 1))
}

/** What can be typed after some words: subcommands with what they are for. The first words stand under ''. */
export function nextWords(typed: readonly Typed[], topics: Topics): Map<string, Map<string, string>> {
  const next = new Map<string, Map<string, string>>()
  for (const {words, command} of typed) {
    const parts = words.split(' ')
    for (const [index, part] of parts.entries()) {
      const before = parts.slice(0, index).join(' ')
      const path = parts.slice(0, index + 1).join(' ')
      const what = index === parts.length - 1 ? command.summary : topics[path]?.description
      const known = next.get(before) ?? new Map<string, string>()
      known.set(part, known.get(part) || (what ?? ''))
      next.set(before, known)
    }
  }

  return next
}

/** `--listen`, and `--no-zero-rtt` beside `--zero-rtt`. */
export function spellings({name, allowNo}: ManifestFlag): string[] {
  return allowNo ? [`--${name}`, `--no-${name}`] : [`--${name}`]
}

/** The templates of oclif's examples and descriptions filled in. */
export function filledIn(text: string, words: string): string {
  return text.replaceAll('<%= config.bin %>', 'overlay').replaceAll('<%= command.id %>', words)
}
