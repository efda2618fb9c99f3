import {
  filledIn,
  nextWords,
  spellings,
  typedCommands,
  type Manifest,
  type ManifestCommand,
  type ManifestFlag,
  type Topics,
  type Typed,
} from './manifest.js'

/** `overlay-edge-start.1` */
export function pageName(words: string): string {
  return `overlay${words === '' ? '' : `-${words.replaceAll(' ', '-')}`}.1`
}

/** All manual pages by file name, in the man macros of groff_man(7). Pure. */
export function manPages(manifest: Manifest, topics: Topics): Map<string, string> {
  const typed = typedCommands(manifest)
  const pages = new Map([[pageName(''), mainPage(manifest, typed, topics)]])
  for (const each of typed) pages.set(pageName(each.words), commandPage(manifest, each, typed))
  return pages
}

function mainPage({version}: Manifest, typed: readonly Typed[], topics: Topics): string {
  const groups = [...nextWords(typed, topics).get('')!.keys()].map((first) =>
    typed.filter(({words}) => words === first || words.startsWith(`${first} `)),
  )
  const commands = groups.flatMap((group) =>
    group.map(({words, command}) => item(bold(`overlay ${words}`), command.summary)),
  )
  return page('overlay', version, [
    ['NAME', [`overlay \\- ${escaped('split TCP with a zero-RTT middle leg, on two servers at once')}`]],
    ['SYNOPSIS', [`${bold('overlay')} ${italic('COMMAND')} [${italic('FLAGS')}]`]],
    ['COMMANDS', commands],
    ['EXIT STATUS', EXIT_STATUS],
    [
      'ENVIRONMENT',
      [
        item(bold('OVERLAY_RUN_DIR'), 'where running instances keep their files; /run/overlay when not set'),
        item(bold('OVERLAY_DEBUG'), '1 adds the stack of an error to standard error'),
        item(bold('NO_COLOR'), 'no colours'),
      ],
    ],
    ['SEE ALSO', [typed.map(({words}) => reference(words)).join(',\n')]],
  ])
}

function commandPage({version}: Manifest, {words, command, flags}: Typed, typed: readonly Typed[]): string {
  const [topic] = words.split(' ')
  const relatives = typed.filter((other) => other.words !== words && other.words.split(' ')[0] === topic)
  const environment = flags.filter((flag) => flag.env !== undefined)
  return page(pageName(words).slice(0, -2), version, [
    ['NAME', [`${pageName(words).slice(0, -2)} \\- ${escaped(command.summary ?? '')}`]],
    ['SYNOPSIS', [synopsis(words, command)]],
    ['DESCRIPTION', paragraphs(filledIn(command.description ?? '', words))],
    [
      'ARGUMENTS',
      Object.values(command.args).map((arg) =>
        item(italic(arg.name.toUpperCase()), withOptions(arg.description ?? '', arg.options)),
      ),
    ],
    ['OPTIONS', flags.map((flag) => item(flagHead(flag), flagText(flag)))],
    ['ENVIRONMENT', environment.map((flag) => item(bold(flag.env!), `as --${flag.name}, which goes before it`))],
    ['EXAMPLES', (command.examples ?? []).flatMap((example) => renderExample(example, words))],
    ['EXIT STATUS', EXIT_STATUS],
    ['SEE ALSO', [[reference(''), ...relatives.map((other) => reference(other.words))].join(',\n')]],
  ])
}

/** docs/ERRORS.md has the codes of errors; a test holds the numbers together. */
const EXIT_STATUS = [
  ['0', 'done'],
  ['1', 'an internal error'],
  ['2', 'wrong words on the command line, or a file or packet that cannot be used'],
  ['3', 'an assertion failed, or a verdict is negative'],
  ['4', 'unreachable'],
  ['5', 'a privilege, a kernel feature or a program is missing'],
  ['6', 'inconclusive'],
].map(([code, meaning]) => item(bold(code), meaning))

function page(title: string, version: string, sections: [title: string, parts: string[]][]): string {
  const body = sections
    .filter(([, parts]) => parts.length > 0)
    .map(([heading, parts]) => `.SH ${heading}\n${parts.join('\n')}`)
  return `.\\" made from oclif.manifest.json by scripts/build.sh\n.TH "${title.toUpperCase()}" 1 "" "overlay ${version}"\n.nh\n${body.join('\n')}\n`
}

function synopsis(words: string, command: ManifestCommand): string {
  const args = Object.values(command.args).map(({name, required}) =>
    required ? italic(name.toUpperCase()) : `[${italic(name.toUpperCase())}]`,
  )
  return [bold(`overlay ${words}`), ...args, `[${italic('FLAGS')}]`].join(' ')
}

function flagHead(flag: ManifestFlag): string {
  const short = flag.char === undefined ? '' : `${bold(`-${flag.char}`)}, `
  const names = spellings(flag).map((name) => bold(name))
  const value = flag.type === 'option' ? ` ${italic(flag.helpValue ?? 'VALUE')}` : ''
  return `${short}${names.join(', ')}${value}${flag.multiple ? ' ...' : ''}`
}

function flagText({description = '', options, default: fallback, required}: ManifestFlag): string {
  const parts = [withOptions(description, options)]
  if (required) parts.push('Needed.')
  if (typeof fallback === 'string' || typeof fallback === 'number') parts.push(`Default: ${fallback}.`)
  return parts.map((part) => (/[.!?]$/.test(part) ? part : `${part}.`)).join(' ')
}

function withOptions(description: string, options: string[] | undefined): string {
  return options === undefined ? description : `${description} (${options.join(', ')})`
}

function renderExample(example: string | {description: string; command: string}, words: string): string[] {
  const {description, command} = typeof example === 'string' ? {description: '', command: example} : example
  const lines = filledIn(command, words)
    .split('\n')
    .map((line) => escaped(line))
  return [
    '.PP',
    ...(description === '' ? [] : [`${escaped(description)}:`]),
    '.PP',
    '.nf',
    '.RS',
    ...lines,
    '.RE',
    '.fi',
  ]
}

function paragraphs(text: string): string[] {
  return text.split(/\n\s*\n/).flatMap((part) => ['.PP', ...part.split('\n').map((line) => escaped(line.trim()))])
}

function item(head: string, text = ''): string {
  return `.TP\n${head}\n${text
    .split('\n')
    .map((line) => escaped(line.trim()))
    .join('\n')}`
}

function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`
}

function italic(text: string): string {
  return `\\fI${escaped(text)}\\fR`
}

const reference = (words: string): string => `\\fB${escaped(pageName(words).slice(0, -2))}\\fR(1)`

/** groff_char(7): a dash would become a hyphen, a dot or quote at the start of a line a request. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll("'", String.raw`\(aq`)
    .replaceAll('`', String.raw`\(ga`)
    .replaceAll('^', String.raw`\(ha`)
    .replaceAll('~', String.raw`\(ti`)
    .replaceAll(
      /[\u0080-\u{10FFFF}]/gu,
      (sign) => `\\[u${sign.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`,
    )
    .replace(/^\./, String.raw`\&.`)
}
