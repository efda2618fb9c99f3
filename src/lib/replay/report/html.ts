import type {List} from '../../cli/made-list.js'
import type {ReplayConnection} from '../connection.js'
import type {Distribution} from '../model/distribution.js'
import {MODEL_PATHS} from '../model/opening.js'
import type {ModelParameters} from '../model/parameters.js'
import {rttChart, savingsChart, waterfallChart} from './charts.js'
import {handshakeRtts} from './handshake-rtts.js'
import {liveSection} from './html-live.js'
import {attribute, escapeHtml, table} from './html-table.js'
import {PAGE_STYLE} from './html-style.js'
import {Ranking, rankedConnection, type RankedConnection} from './ranking.js'
import type {ReplayResult} from './schema.js'
import {DEFINITIONS, breakEvenWords, leftOutWords, modelWords} from './words.js'
import {waterfallOf} from './waterfall.js'

/** Pictures are drawn for phones and for everything wider; the page shows one of the two. px. */
const NARROW = 296
const WIDE = 640
/** Rows of a table at most. */
const ROWS = 10

export interface PageOptions {
  parameters: ModelParameters
  /** Of the waterfall; null for one in the middle. */
  connectionId: number | null
}

/**
 * The report as one page that needs nothing else: no script, no request, light and dark. Whatever comes from the capture
 * or the command line is escaped.
 */
export function htmlReport(
  result: ReplayResult,
  connections: List<ReplayConnection>,
  {parameters, connectionId}: PageOptions,
): string {
  const ranked = new Ranking(connections, parameters, 2 * ROWS)
  const chosen = connectionId === null ? undefined : connections.at(connectionId - 1)
  const shown = connectionId === null ? ranked.typical() : chosen ? rankedConnection(chosen, parameters) : null
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>overlay replay: ${escapeHtml(result.sources.map(({source}) => source).join(', '))}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
${[
  summarySection(result),
  savingsSection(result),
  distributionSection(result),
  shown ? waterfallSection(shown, parameters) : '',
  result.live ? liveSection(result.live) : '',
  serversSection(result),
  connectionsSection(ranked),
  parametersSection(result),
]
  .filter((section) => section !== '')
  .join('\n')}
</main>
</body>
</html>
`
}

function section(title: string, body: string): string {
  return `<section>\n<h2>${escapeHtml(title)}</h2>\n${body}\n</section>`
}

function paragraph(text: string, style = ''): string {
  return `<p${style === '' ? '' : ` class="${attribute(style)}"`}>${escapeHtml(text)}</p>`
}

/** The picture twice; the style shows the one that fits. */
function figure(alt: string, draw: (width: number) => string): string {
  const both = [
    ['narrow', NARROW],
    ['broad', WIDE],
  ] as const
  const pictures = both.map(([style, width]) => `<div class="${style}">${draw(width)}</div>`).join('')
  return `<figure role="img" aria-label="${attribute(alt)}">${pictures}</figure>`
}

function summarySection({summary, sources, leftOut, problems}: ReplayResult): string {
  const {connections, handshakes, handshakeRttMs: rtt, packets, start} = summary
  const facts: [string, string][] = [
    ['connections', String(connections)],
    ['with a handshake', String(handshakes)],
    ['handshake round trip p50', rtt ? `${rtt.p50} ms` : '-'],
    ['p90', rtt ? `${rtt.p90} ms` : '-'],
    ['p99', rtt ? `${rtt.p99} ms` : '-'],
    ['packets', String(packets)],
  ]
  const list = facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`)
  const out = leftOutWords(leftOut)
  return `<header>
<h1>What would the overlay have saved?</h1>
${paragraph(`${sources.map(({source, format}) => `${source} (${format})`).join(', ')}${start === null ? '' : `; first packet ${start}`}`, 'names')}
<dl class="facts">${list.join('')}</dl>
${out === '' ? '' : paragraph(`Not modelled: ${out}.`)}
${problems.map(({source, offset, problem}) => paragraph(`${source}, byte ${offset}: ${problem}`, 'problem')).join('\n')}
</header>`
}

const span = (of: Distribution | null): string => (of === null ? '-' : `${of.mean} (${of.p50}, ${of.p90})`)

function savingsSection(result: ReplayResult): string {
  const {savings, breakEvenReplicationAckMs, model} = result
  const rows = savings.map(({replicationAckMs, handshakeSavedMs, firstByteSavedMs, split}) => [
    String(replicationAckMs),
    span(handshakeSavedMs),
    span(firstByteSavedMs),
    span(split.handshakeSavedMs),
  ])
  return section(
    'Saved time against replication-ack latency',
    [
      figure('Mean handshake time saved against replication-ack latency', (width) =>
        savingsChart(savings, breakEvenReplicationAckMs, width),
      ),
      paragraph(`Break-even: ${breakEvenWords(result, model.replicationAckMs)}.`, 'verdict'),
      table(['ack ms', 'zero-RTT: handshake saved', 'first byte saved', 'split: handshake saved'], rows),
      paragraph('ms, over connections: mean (p50, p90). Negative: the overlay is slower.', 'note'),
      ...[
        DEFINITIONS.handshakeSaved,
        DEFINITIONS.firstByteSaved,
        DEFINITIONS.replicationAck,
        DEFINITIONS.breakEven,
      ].map((words) => paragraph(`${words}.`, 'note')),
    ].join('\n'),
  )
}

function distributionSection({connections}: ReplayResult): string {
  const rtts = handshakeRtts(connections)
  return section(
    'Handshake round trips',
    rtts.length === 0
      ? paragraph('No connection has a whole handshake.')
      : [
          figure('Distribution of handshake round trips', (width) => rttChart(rtts, width)),
          paragraph(`${DEFINITIONS.handshakeRtt}.`, 'note'),
        ].join('\n'),
  )
}

function waterfallSection({captured, modelled}: RankedConnection, parameters: ModelParameters): string {
  const ackMs = parameters.replicationAckMs[Math.floor(parameters.replicationAckMs.length / 2)]
  const waterfalls = MODEL_PATHS.map((path) => waterfallOf(modelled, parameters, path, ackMs))
  const end = Math.max(...waterfalls.map(({endMs}) => endMs), 0.001)
  return section(
    `Connection ${captured.id}, direct and over the overlay`,
    [
      paragraph(`${captured.client} to ${captured.server}`, 'names'),
      ...waterfalls.flatMap((waterfall) => [
        `<h3>${escapeHtml(waterfall.path)}: ${waterfall.endMs.toFixed(1)} ms</h3>`,
        figure(`Steps of the ${waterfall.path} connection`, (width) => waterfallChart(waterfall, end, width)),
      ]),
      `<p class="legend">${(['handshake', 'replication', 'travel', 'think'] as const)
        .map((kind) => `<span><i class="${kind}"></i>${kind}</span>`)
        .join(' ')}</p>`,
      paragraph(
        `Modelled, in ms since connect(), until the server’s first byte is at the client; split and zero-RTT with a replication-ack latency of ${ackMs} ms.`,
        'note',
      ),
    ].join('\n'),
  )
}

function serversSection({servers, model}: ReplayResult): string {
  if (servers.length === 0) return ''
  const rows = servers
    .slice(0, ROWS)
    .map((row) => [
      row.server,
      String(row.connections),
      String(row.rttMs.p50),
      row.handshakeSavedMs.length === 0 ? '-' : String(row.handshakeSavedMs[0].mean),
      row.breakEvenReplicationAckMs === null ? row.breakEven : `${row.breakEvenReplicationAckMs} ms`,
    ])
  return section(
    'Servers',
    [
      table(
        ['server', 'connections', 'round trip p50', `saved at ${model.replicationAckMs[0]} ms`, 'break-even'],
        rows,
      ),
      paragraph(
        `${servers.length > ROWS ? `The ${ROWS} with the most connections, of ${servers.length}. ` : ''}saved: mean handshake time, ms.`,
        'note',
      ),
    ].join('\n'),
  )
}

function connectionsSection(ranked: Ranking): string {
  if (ranked.length === 0) return ''
  const few = ranked.length <= 2 * ROWS
  const rows = ranked
    .ends(few ? 2 * ROWS : ROWS)
    .map(({captured, modelled, handshakeSavedMs, firstByteSavedMs}) => [
      String(captured.id),
      captured.client,
      captured.server,
      modelled.rttMs.toFixed(3),
      handshakeSavedMs.toFixed(1),
      firstByteSavedMs?.toFixed(1) ?? '-',
    ])
  return section(
    few ? 'Connections, by time saved' : 'Connections that save the most and the least',
    table(['id', 'client', 'server', 'round trip', 'handshake saved', 'first byte saved'], rows),
  )
}

function parametersSection(result: ReplayResult): string {
  const {model} = result
  return section(
    'The model',
    [
      paragraph(`${modelWords(result)}.`),
      paragraph(
        `${model.connections} connections; of ${model.playedToTheEnd} of them the whole conversation. No loss, no limit by rate: round trips alone.`,
        'note',
      ),
    ].join('\n'),
  )
}
