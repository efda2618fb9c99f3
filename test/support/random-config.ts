import {exampleConfig} from '../../src/lib/config/examples.js'

/**
 * A configuration file made from a seed: a good one, or one with something wrong.
 *
 * @returns `good` when nothing was done that could make it wrong
 */
export function randomConfig(seed: number): {bytes: Buffer; good: boolean} {
  const random = generator(seed)
  const base = goodConfig(random)
  if (random() < 0.25) return {bytes: Buffer.from(dressed(base, random)), good: true}
  const spoil = SPOILERS[Math.floor(random() * SPOILERS.length)]
  return {bytes: spoil(base, random), good: false}
}

type Random = () => number

/** Mulberry32: [0, 1). */
function generator(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d_2b_79_f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x ^= x + Math.imul(x ^ (x >>> 7), 61 | x)
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** One of the examples, with some of its commented keys in place. */
function goodConfig(random: Random): string {
  const example = exampleConfig(([undefined, 'edge', 'gateway', 'pair'] as const)[Math.floor(random() * 4)])
  return example
    .split('\n')
    .map((line) => (random() < 0.4 ? line.replace(/^( {2})# (\w+: (?!#)\S)/, '$1$2') : line))
    .join('\n')
}

/** Ways of writing that change nothing. */
function dressed(text: string, random: Random): string {
  let dress = text
  if (random() < 0.2) dress = dress.replaceAll('\n', '\r\n')
  if (random() < 0.2) dress = `---\n${dress}`
  if (random() < 0.2) dress = `\uFEFF${dress}`
  return dress
}

type Spoiler = (text: string, random: Random) => Buffer

const SPOILERS: Spoiler[] = [
  // A value of another kind.
  ...[
    '{}',
    '[]',
    'null',
    '-1',
    '1e999',
    '999999999999999999999999999999',
    '0x7fffffffffffffff',
    '.nan',
    'true',
    String.raw`"\e[31m\0"`,
    '!!binary aGk=',
    '*nowhere',
    '2026-11-24',
    '[[[[1]]]]',
    '"' + 'x'.repeat(70_000) + '"',
    '9'.repeat(400) + 's',
    '10.0.0.0/8',
    '"[::1%lo]:80"',
  ].map((value) => withValue(value)),
  // A key that is not known, or known elsewhere.
  (text, random) => Buffer.from(text.replace(pickKey(text, random), (key) => swapped(key, random))),
  (text) => Buffer.from(text.replace('edge:', 'edeg:').replace('gateway:', 'gatewy:')),
  (text) => Buffer.from(`${text}\n__proto__: {a: 1}\nconstructor: {}\ntoString: 1\n`),
  (text) => Buffer.from(text.replace(/keyFile/, '? [a, {b: c}]\n  : x\n  keyFile')),
  // The same key twice.
  (text) => Buffer.from(text.replace(/^( {2}keyFile:.*)$/m, '$1\n$1')),
  // Lines lost, doubled, in another order.
  (text, random) => byLine(text, (lines) => lines.filter(() => random() > 0.1)),
  (text, random) => byLine(text, (lines) => lines.flatMap((line) => (random() < 0.1 ? [line, line] : [line]))),
  (text, random) => byLine(text, (lines) => lines.map((line) => (random() < 0.1 ? ` ${line}` : line))),
  (text, random) => byLine(text, (lines) => lines.map((line) => (random() < 0.1 ? line.replace(/^ +/, '\t') : line))),
  // Bytes lost or changed.
  (text, random) => spoilt(text, random, 1),
  (text, random) => spoilt(text, random, 20),
  (text, random) => Buffer.from(text.slice(0, Math.floor(random() * text.length))),
  (_, random) => Buffer.from(Array.from({length: 1 + Math.floor(random() * 3000)}, () => Math.floor(random() * 256))),
  (_, random) => soup(random),
  (text) => Buffer.from(text, 'utf16le'),
  // Too much of something.
  (_, random) => Buffer.from('edge: ' + '[{'[Math.floor(random() * 2)].repeat(1 + Math.floor(random() * 40_000))),
  (_, random) => Buffer.from('edge:\n  ' + '- '.repeat(1 + Math.floor(random() * 20_000)) + 'x'),
  (_, random) =>
    Buffer.from(Array.from({length: 1 + Math.floor(random() * 600)}, (_, i) => ' '.repeat(i) + 'a:').join('\n')),
  (_, random) => Buffer.from(`edge:\n  services: [${'1, '.repeat(Math.floor(random() * 30_000))}]`),
  (_, random) =>
    Buffer.from('edge:\n' + Array.from({length: Math.floor(random() * 9000)}, (_, i) => `  k${i}: 1\n`).join('')),
  (_, random) => Buffer.from('#'.repeat(1_000_000 + Math.floor(random() * 100_000))),
  (_, random) => bomb(3 + Math.floor(random() * 20), 1 + Math.floor(random() * 20)),
  () => Buffer.from('edge: &e\n  pair: *e\n'),
  () => Buffer.from('edge: &e {keyFile: a}\ngateway: {<<: *e}\n'),
  (text) => Buffer.from(`${text}\n---\n${text}`),
  (text) =>
    Buffer.from(
      `%YAML 1.1\n%FOO bar\n---\n${text.replace('keyFile:', 'zeroRtt: off\n  interfaces: !!set {a, b}\n  keyFile:')}`,
    ),
  () => Buffer.alloc(0),
  () => Buffer.from('~'),
  () => Buffer.from('edge'),
  () => Buffer.from('- edge\n- gateway\n'),
]

function withValue(value: string): Spoiler {
  return (text, random) => {
    const key = pickKey(text, random)
    return Buffer.from(
      text.replace(new RegExp(`^(\\s+(?:- )?)${key}:.*$`, 'm'), (_, before: string) => `${before}${key}: ${value}`),
    )
  }
}

/** A key that is not commented out. */
function pickKey(text: string, random: Random): string {
  const keys = [...text.matchAll(/^\s+(?:- )?(\w+):/gm)].map(([, key]) => key)
  return keys[Math.floor(random() * keys.length)] ?? 'keyFile'
}

function swapped(key: string, random: Random): string {
  const at = Math.floor(random() * (key.length - 1))
  return key.slice(0, at) + key[at + 1] + key[at] + key.slice(at + 2)
}

function byLine(text: string, change: (lines: string[]) => string[]): Buffer {
  return Buffer.from(change(text.split('\n')).join('\n'))
}

function spoilt(text: string, random: Random, count: number): Buffer {
  const bytes = Buffer.from(text)
  for (let i = 0; i < count; i++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
  return bytes
}

/** YAML's signs in any order. */
function soup(random: Random): Buffer {
  const signs = [
    '- ',
    '? ',
    ': ',
    '[',
    ']',
    '{',
    '}',
    ', ',
    '\n',
    '  ',
    '&a ',
    '*a ',
    '!b ',
    '| ',
    '> ',
    '"',
    "'",
    '# ',
    '%',
    '@',
    'edge',
    'x',
    '\t',
    '\r',
    '---\n',
    '...\n',
    '<<: ',
  ]
  const length = 1 + Math.floor(random() * 400)
  return Buffer.from(Array.from({length}, () => signs[Math.floor(random() * signs.length)]).join(''))
}

/** Aliases of aliases: `width` to the power of `depth` nodes. */
function bomb(depth: number, width: number): Buffer {
  const lines = Array.from({length: depth}, (_, i) => {
    const item = i === 0 ? 'x' : `*a${i - 1}`
    return `a${i}: &a${i} [${Array.from({length: width}, () => item).join(', ')}]`
  })
  return Buffer.from(lines.join('\n'))
}
