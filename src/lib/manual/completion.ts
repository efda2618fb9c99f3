import {
  nextWords,
  spellings,
  typedCommands,
  type Manifest,
  type ManifestFlag,
  type Topics,
  type Typed,
} from './manifest.js'

/** The completion of a shell, by the name that it looks for. */
export type Completions = Record<'_overlay' | 'overlay.bash' | 'overlay.fish', string>

const MADE = '# made from oclif.manifest.json by scripts/build.sh'

/** Completions for bash, zsh and fish, which need none of Node while they run. Pure. */
export function completions(manifest: Manifest, topics: Topics): Completions {
  const typed = typedCommands(manifest)
  const next = nextWords(typed, topics)
  return {
    'overlay.bash': bash(typed, next),
    _overlay: zsh(typed, next),
    'overlay.fish': fish(typed, next),
  }
}

type NextWords = ReadonlyMap<string, ReadonlyMap<string, string>>

const flagWords = ({flags}: Typed): string[] =>
  flags.flatMap((flag) => [...(flag.char === undefined ? [] : [`-${flag.char}`]), ...spellings(flag)])

/** Values that come by name: those of flags, and of arguments. */
const valuesOf = ({command}: Typed): string[] => Object.values(command.args).flatMap(({options = []}) => options)

const withValues = ({flags}: Typed): ManifestFlag[] => flags.filter(({options}) => options !== undefined)

/** Flags that take a value: what follows them is no word of the command. */
const valueFlags = (typed: readonly Typed[]): string[] => [
  ...new Set(
    typed.flatMap(({flags}) =>
      flags
        .filter(({type}) => type === 'option')
        .flatMap((flag) => [...(flag.char === undefined ? [] : [`-${flag.char}`]), `--${flag.name}`]),
    ),
  ),
]

/** Both shells walk the words typed so far: `path` is the command, as far as it is known. */
const walk = (typed: readonly Typed[], next: NextWords, words: string, position: string): string => `
  local path='' word='' skip='' i
  for ((i = ${words}; i < ${position}; i++)); do
    word="\${COMP[i]}"
    if [[ -n $skip ]]; then skip=''; continue; fi
    case "$word" in
      ${valueFlags(typed).join('|')}) skip=1; continue ;;
      -*) continue ;;
    esac
    case "\${path:+$path }$word" in
      ${[...next].flatMap(([before, after]) => [...after.keys()].map((word) => quoted(before === '' ? word : `${before} ${word}`))).join('|')}) path="\${path:+$path }$word" ;;
    esac
  done`

function bash(typed: readonly Typed[], next: NextWords): string {
  return `${MADE}
_overlay() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" words='' flags='' values=''
  local -a COMP=("\${COMP_WORDS[@]}")${walk(typed, next, '1', 'COMP_CWORD')}
  case "$path" in
${[...next].map(([before, after]) => `    ${quoted(before)}) words=${quoted([...after.keys()].join(' '))} ;;`).join('\n')}
  esac
  case "$path" in
${typed.map((each) => `    ${quoted(each.words)}) flags=${quoted(flagWords(each).join(' '))} words+=${quoted([' ', ...valuesOf(each)].join(' '))} ;;`).join('\n')}
  esac
  case "$path $previous" in
${typed.flatMap((each) => withValues(each).map((flag) => `    ${quoted(`${each.words} --${flag.name}`)}) values=${quoted(flag.options!.join(' '))} ;;`)).join('\n')}
  esac
  if [[ -n $values ]]; then words=$values flags=''
  elif [[ -n $skip ]]; then words='' flags=''
  elif [[ $current != -* ]]; then flags=''; fi
  COMPREPLY=($(compgen -W "$words $flags" -- "$current"))
}
complete -o default -F _overlay overlay
`
}

/** Words with what they are for, as zsh's _describe reads them. */
const described = (pairs: Iterable<readonly [string, string]>): string =>
  [...pairs].map(([word, what]) => quoted(`${word.replaceAll(':', String.raw`\:`)}:${oneLine(what)}`)).join(' ')

function zsh(typed: readonly Typed[], next: NextWords): string {
  return `#compdef overlay
${MADE}
_overlay() {
  setopt localoptions ksharrays
  local current="\${words[CURRENT - 1]}" previous="\${words[CURRENT - 2]}"
  local -a COMP next flags values
  COMP=("\${words[@]}")${walk(typed, next, '1', 'CURRENT - 1')}
  case "$path" in
${[...next].map(([before, after]) => `    ${quoted(before)}) next=(${described(after)}) ;;`).join('\n')}
  esac
  case "$path" in
${typed
  .map(
    (each) =>
      `    ${quoted(each.words)}) flags=(${described(each.flags.flatMap((flag) => spellings(flag).map((name) => [name, flag.description ?? ''] as const)))}); next+=(${valuesOf(
        each,
      )
        .map((value) => quoted(value))
        .join(' ')}) ;;`,
  )
  .join('\n')}
  esac
  case "$path $previous" in
${typed.flatMap((each) => withValues(each).map((flag) => `    ${quoted(`${each.words} --${flag.name}`)}) values=(${flag.options!.map((value) => quoted(value)).join(' ')}) ;;`)).join('\n')}
  esac
  unsetopt ksharrays
  if ((\${#values})); then compadd -a values
  elif [[ -n $skip ]]; then _files
  elif [[ $current == -* ]]; then _describe flag flags
  elif ((\${#next})); then _describe command next
  else _files; fi
}
_overlay "$@"
`
}

const at = (path: string): string => `-n ${fishQuoted(`test (__overlay_path) = '${path}'`)}`

function fish(typed: readonly Typed[], next: NextWords): string {
  const lines = [...next].flatMap(([before, after]) =>
    [...after].map(([word, what]) => `complete -c overlay -f ${at(before)} -a ${word} -d ${fishQuoted(oneLine(what))}`),
  )
  const flags = typed.flatMap((each) => [
    ...valuesOf(each).map((value) => `complete -c overlay ${at(each.words)} -a ${value}`),
    ...each.flags.flatMap((flag) =>
      spellings(flag).map((name) => {
        const short = flag.char === undefined ? '' : ` -s ${flag.char}`
        const value =
          flag.type === 'boolean'
            ? ''
            : flag.options === undefined
              ? ' -r'
              : ` -x -a ${fishQuoted(flag.options.join(' '))}`
        return `complete -c overlay ${at(each.words)}${short} -l ${name.slice(2)}${value} -d ${fishQuoted(oneLine(flag.description ?? ''))}`
      }),
    ),
  ])
  const known = [...next].flatMap(([before, after]) =>
    [...after.keys()].map((word) => fishQuoted(before === '' ? word : `${before} ${word}`)),
  )
  return `${MADE}
function __overlay_path
  set -l path ''
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    if contains -- $word ${valueFlags(typed).join(' ')}
      set skip 1
      continue
    end
    set -l longer (string trim -- "$path $word")
    if contains -- $longer ${known.join(' ')}
      set path $longer
    end
  end
  echo $path
end
${[...lines, ...flags].join('\n')}
`
}

/** A word for bash and zsh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** A word for fish, which knows two escapes inside single quotes. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', String.raw`\\`).replaceAll("'", String.raw`\'`)}'`
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}
