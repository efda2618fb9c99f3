import {readFileSync, writeFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

import {CATALOGUE, type MetricDefinition, type MetricScope} from '../../src/lib/metrics/catalogue.js'
import {BUCKETS_SECONDS} from '../../src/lib/metrics/sample.js'

const PAGE = fileURLToPath(new URL('../../docs/METRICS.md', import.meta.url))

/** What stands between the marks of docs/METRICS.md is made from the catalogue. */
const BEGIN = '<!-- metrics: made from src/lib/metrics/catalogue.ts by npm run docs:metrics -->'
const END = '<!-- end of metrics -->'

const TITLES: Record<MetricScope, string> = {
  both: 'Edge and gateway',
  edge: 'Edge',
  gateway: 'Gateway',
  pair: 'Members of a pair',
}

/** The page as it is, and as it would be made now. */
export function metricsPage(): {committed: string; fresh: string} {
  const committed = readFileSync(PAGE, 'utf8')
  const from = committed.indexOf(BEGIN)
  const to = committed.indexOf(END)
  if (from === -1 || to < from) throw new Error('docs/METRICS.md has lost the marks around its tables')
  return {committed, fresh: `${committed.slice(0, from + BEGIN.length)}\n\n${tables()}\n\n${committed.slice(to)}`}
}

function tables(): string {
  const all: [string, MetricDefinition][] = Object.entries(CATALOGUE)
  const parts = (Object.keys(TITLES) as MetricScope[]).map((scope) => {
    const rows = all.filter(([, {scope: own}]) => own === scope).map(([name, definition]) => row(name, definition))
    return [`## ${TITLES[scope]}`, '', '| metric | type | labels | what it is |', '| --- | --- | --- | --- |', ...rows]
  })
  const bounds = `Upper bounds of histogram buckets, seconds: ${BUCKETS_SECONDS.join(', ')}.`
  return [...parts.map((lines) => lines.join('\n')), bounds].join('\n\n')
}

function row(name: string, {type, labels, help, over}: MetricDefinition): string {
  const words = labels.map((label) => `\`${label}\``).join(', ')
  const whole = over === undefined ? '' : ` Of several relay processes the ${over === 'max' ? 'largest' : 'smallest'}.`
  return `| \`${name}\` | ${type} | ${words} | ${help}${whole} |`
}

/** `npm run docs:metrics` */
if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, metricsPage().fresh)
