import type {List} from '../../cli/made-list.js'
import {textTable, type Column} from '../../cli/table.js'
import {renderConnections, renderSources} from '../analysis/render.js'
import type {ReplayConnection} from '../connection.js'
import type {LiveResult} from '../live/schema.js'
import type {Distribution} from '../model/distribution.js'
import type {ModelParameters} from '../model/parameters.js'
import {handshakeRtts} from './handshake-rtts.js'
import {explainedWords, fixedMs, liveRowName, liveWords} from './live-words.js'
import {Ranking, type RankedConnection} from './ranking.js'
import type {ReplayResult} from './schema.js'
import {rttPlot, savingsPlot} from './terminal-plots.js'
import {DEFINITIONS, breakEvenWords, leftOutWords, modelWords} from './words.js'

/** Rows of a table at most; JSON and CSV have all. */
const CONNECTION_ROWS = 40
const SERVER_ROWS = 10
const RANKED_ROWS = 5

const right = (title: string): Column => ({title, align: 'right'})

/** The result as text: what was read, its connections, what the model says, and what was measured. */
export function renderReplay(
  result: ReplayResult,
  connections: List<ReplayConnection>,
  parameters: ModelParameters,
  plots: boolean,
): string {
  const shown = connections.slice(0, CONNECTION_ROWS)
  const parts = [renderSources(result), renderConnections(shown)]
  if (connections.length > shown.length) {
    parts.push(`The first ${shown.length} of ${connections.length} connections; --csv FILE or --json has all.`)
  }

  if (result.model.connections > 0)
    parts.push(...modelParts(result, new Ranking(connections, parameters, 2 * RANKED_ROWS)))
  if (plots && result.model.connections > 0) {
    parts.push(savingsPlot(result.savings), rttPlot(handshakeRtts(connections)))
  }

  if (result.live) parts.push(livePart(result.live))
  return parts.join('\n\n')
}

function modelParts(result: ReplayResult, ranked: Ranking): string[] {
  const {summary, savings, model, servers, leftOut} = result
  const rtt = summary.handshakeRttMs
  const out = leftOutWords(leftOut)
  const parts = [
    `${summary.handshakes} handshakes, round trip p50 ${rtt?.p50} ms, p90 ${rtt?.p90} ms, p99 ${rtt?.p99} ms. Modelled: ${model.connections}${out === '' ? '' : `; not modelled: ${out}`}.`,
    `The model: ${modelWords(result)}.`,
    'What the overlay would have saved, ms over connections: mean (p50, p90); negative where it is slower.',
    textTable(
      [
        right('replication ack ms'),
        right('handshake saved'),
        right('first byte saved'),
        right(`completed saved, of ${model.playedToTheEnd}`),
        right('split: handshake saved'),
      ],
      savings.map(({replicationAckMs, handshakeSavedMs, firstByteSavedMs, completedSavedMs, split}) => [
        replicationAckMs,
        spread(handshakeSavedMs),
        spread(firstByteSavedMs),
        spread(completedSavedMs),
        spread(split.handshakeSavedMs),
      ]),
    ),
    `Break-even replication-ack latency: ${breakEvenWords(result, model.replicationAckMs)}.`,
    [
      DEFINITIONS.handshakeSaved,
      DEFINITIONS.firstByteSaved,
      DEFINITIONS.completedSaved,
      DEFINITIONS.replicationAck,
      DEFINITIONS.breakEven,
    ].join('\n'),
    `Servers${servers.length > SERVER_ROWS ? `, the ${SERVER_ROWS} with the most connections of ${servers.length}` : ''}:`,
    textTable(
      [
        {title: 'server'},
        right('connections'),
        right('round trip p50'),
        right(`mean handshake saved at ${model.replicationAckMs[0]} ms`),
        right('break-even ms'),
      ],
      servers
        .slice(0, SERVER_ROWS)
        .map((row) => [
          row.server,
          row.connections,
          row.rttMs.p50.toFixed(3),
          row.handshakeSavedMs[0].mean.toFixed(3),
          row.breakEvenReplicationAckMs ?? row.breakEven,
        ]),
    ),
  ]
  const few = ranked.length <= 2 * RANKED_ROWS
  parts.push(
    few ? 'Connections, by handshake time saved:' : 'Connections that save the most, and the least:',
    rankedTable(ranked.ends(2 * RANKED_ROWS), model.replicationAckMs[0]),
  )
  return parts
}

function rankedTable(ranked: readonly RankedConnection[], ackMs: number): string {
  return textTable(
    [
      right('id'),
      {title: 'client'},
      {title: 'server'},
      right('round trip'),
      right(`handshake saved at ${ackMs} ms`),
      right('first byte saved'),
    ],
    ranked.map(({captured, modelled, handshakeSavedMs, firstByteSavedMs}) => [
      captured.id,
      captured.client,
      captured.server,
      modelled.rttMs.toFixed(3),
      handshakeSavedMs.toFixed(3),
      firstByteSavedMs?.toFixed(3) ?? '-',
    ]),
  )
}

function livePart(live: LiveResult): string {
  const table = textTable(
    [
      {title: 'path'},
      right('played'),
      right('failed'),
      right('handshake measured'),
      right('modelled'),
      right('saved measured'),
      right('modelled'),
      right('programs'),
      right('rest'),
      right('first byte saved measured'),
      right('modelled'),
      {title: 'agrees'},
    ],
    live.rows.map((row) => [
      liveRowName(row),
      row.played,
      row.failed,
      p50(row.measured.handshakeMs),
      p50(row.modelled.handshakeMs),
      p50(row.handshakeSavedMs?.measured),
      p50(row.handshakeSavedMs?.modelled),
      fixedMs(row.handshakeSavedMs?.programsMs),
      p50(row.handshakeSavedMs?.unexplainedMs),
      p50(row.firstByteSavedMs?.measured),
      p50(row.firstByteSavedMs?.modelled),
      row.agrees === null ? '-' : row.agrees ? 'yes' : 'no',
    ]),
  )
  return ['Measured in the lab, beside the model.', liveWords(live), '', table, '', ...explainedWords(live)].join('\n')
}

function spread(of: Distribution | null): string {
  return of === null ? '-' : `${of.mean.toFixed(3)} (${of.p50.toFixed(3)}, ${of.p90.toFixed(3)})`
}

function p50(of: Distribution | null | undefined): string {
  return of ? of.p50.toFixed(2) : '-'
}
