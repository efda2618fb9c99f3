import {readFileSync, writeFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

import {configKeys, type ConfigKey} from './config-keys.js'

const PAGE = fileURLToPath(new URL('../../docs/CONFIG.md', import.meta.url))

/** What stands between the marks of docs/CONFIG.md is made from the schema. */
const BEGIN = '<!-- keys: made from src/lib/config/schema.ts by npm run docs:config -->'
const END = '<!-- end of keys -->'

/** The page as it is, and as it would be made now. */
export function configPage(): {committed: string; fresh: string} {
  const committed = readFileSync(PAGE, 'utf8')
  const from = committed.indexOf(BEGIN)
  const to = committed.indexOf(END)
  if (from === -1 || to < from) throw new Error('docs/CONFIG.md has lost the marks around its tables of keys')
  return {committed, fresh: `${committed.slice(0, from + BEGIN.length)}\n\n${tables()}\n\n${committed.slice(to)}`}
}

function tables(): string {
  const keys = configKeys()
  const edge = keys.filter(({key}) => key.startsWith('edge.') && !key.startsWith('edge.pair.'))
  const gateway = keys.filter(({key}) => key.startsWith('gateway.') && !key.startsWith('gateway.pair.'))
  const pair = keys.filter(({key}) => key.startsWith('edge.pair.'))
  const samePair = keys.filter(({key}) => key.startsWith('gateway.pair.')).map(({key}) => key.slice('gateway.'.length))
  if (samePair.join(',') !== pair.map(({key}) => key.slice('edge.'.length)).join(',')) {
    throw new Error('the pairs of edge and gateway have different keys')
  }

  return [
    ['## edge', table(edge, 'edge.')],
    ['## gateway', table(gateway, 'gateway.')],
    ['## pair, under edge or gateway', table(pair, 'edge.')],
  ]
    .map(([title, text]) => `${title}\n\n${text}`)
    .join('\n\n')
}

function table(keys: readonly ConfigKey[], prefix: string): string {
  const rows = keys.map(({key, kind, description, fallback, required}) => {
    const standard = fallback === undefined ? (required ? 'needed' : '') : `\`${String(fallback)}\``
    return `| \`${key.slice(prefix.length)}\` | ${kind} | ${standard} | ${description.replaceAll('|', String.raw`\|`)} |`
  })
  return ['| key | value | default | what it is |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

/** `npm run docs:config` */
if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, configPage().fresh)
