import {expect} from 'chai'
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {modelConnection} from '../../../../src/lib/replay/model/model.js'
import {modelConnectionOf} from '../../../../src/lib/replay/model/model-connections.js'
import {parametersFromFlags} from '../../../../src/lib/replay/model/from-flags.js'
import {DEFAULT_PARAMETERS} from '../../../../src/lib/replay/model/parameters.js'
import type {ModelConnection} from '../../../../src/lib/replay/model/model.js'
import {csvCell, csvOf} from '../../../../src/lib/replay/report/csv.js'
import {binsOf, handshakeRtts} from '../../../../src/lib/replay/report/handshake-rtts.js'
import {htmlReport} from '../../../../src/lib/replay/report/html.js'
import {escapeHtml} from '../../../../src/lib/replay/report/html-table.js'
import {renderReplay} from '../../../../src/lib/replay/report/render.js'
import {replayResult} from '../../../../src/lib/replay/report/result.js'
import {replayResultSchema} from '../../../../src/lib/replay/report/schema.js'
import {rttPlot, savingsPlot} from '../../../../src/lib/replay/report/terminal-plots.js'
import {waterfallOf} from '../../../../src/lib/replay/report/waterfall.js'
import {checkWritable, writeReport} from '../../../../src/lib/replay/report/write-report.js'
import {capturedConnection} from '../captured-connection.js'
import {asJson, exampleAnalysis, exampleLive} from '../example.js'

const PARAMETERS = DEFAULT_PARAMETERS
const HOSTILE = '<script>alert(1)</script>&"\'.pcap'
const modelled = (changes = {}): ModelConnection =>
  modelConnectionOf(capturedConnection(changes), PARAMETERS) as ModelConnection

describe('the result of overlay replay', () => {
  it('fits its schema, with connections and without', () => {
    const result = replayResultSchema.parse(asJson(replayResult(exampleAnalysis(), PARAMETERS, null)))
    expect(result.summary).to.deep.include({connections: 61, handshakes: 60, start: '2026-11-24T07:06:40.123456789Z'})
    expect(result.leftOut).to.deep.equal([{reason: 'mid-stream', connections: 1}])
    const none = {...exampleAnalysis(), connections: [], startNs: null}
    expect(replayResultSchema.parse(asJson(replayResult(none, PARAMETERS, null))).summary.handshakeRttMs).to.equal(null)
  })

  it('fits its schema with what was measured live, and says what failed', () => {
    const live = exampleLive([0, 5], 'client: ECONNRESET')
    const result = replayResult(exampleAnalysis(), PARAMETERS, live)
    replayResultSchema.parse(asJson(result))
    expect(result.live!.rows.map(({agrees}) => agrees)).to.deep.equal([null, true, true, true, true])
    const {connections} = exampleAnalysis()
    expect(renderReplay(result, connections, PARAMETERS, false)).to.contain('1 failed: client: ECONNRESET')
    expect(htmlReport(result, connections, {parameters: PARAMETERS, connectionId: null})).to.contain(
      'zero-rtt, pair at 5 ms: 1 failed: client: ECONNRESET.',
    )
  })

  it('with a word too many it does not', () => {
    const result = replayResultSchema.parse(asJson(replayResult(exampleAnalysis(), PARAMETERS, null)))
    expect(replayResultSchema.safeParse({...result, more: 1}).success).to.equal(false)
    expect(replayResultSchema.safeParse({...result, savings: undefined}).success).to.equal(false)
  })

  it('is text with every figure’s definition beside it', () => {
    const {connections} = exampleAnalysis()
    const text = renderReplay(replayResult(exampleAnalysis(), PARAMETERS, null), connections, PARAMETERS, true)
    expect(text).to.contain('The first 40 of 61 connections')
    for (const words of ['handshake saved: direct less overlay', 'break-even: the replication-ack', '192.0.2.2:443']) {
      expect(text).to.contain(words)
    }
  })

  it('of a capture without a connection says so', () => {
    const none = {...exampleAnalysis(), connections: []}
    expect(renderReplay(replayResult(none, PARAMETERS, null), [], PARAMETERS, true)).to.contain('No TCP connections.')
  })
})

describe('CSV', () => {
  it('has a line for each connection, all with the same number of cells', () => {
    const lines = [...csvOf(exampleAnalysis().connections, PARAMETERS, ['a,b.pcap'])]
    expect(lines).to.have.lengthOf(62)
    expect(lines[1]).to.contain('"a,b.pcap"')
    const widths = lines.map((line) => line.replaceAll(/"[^"]*"/g, '').split(',').length)
    expect(new Set(widths).size).to.equal(1)
  })

  it('lets no spreadsheet compute what came from outside', () => {
    for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1']) expect(csvCell(text)).to.equal(`'${text}`)
    expect(csvCell('\r=1')).to.equal('"\'\r=1"')
    expect(csvCell('a "b", c')).to.equal('"a ""b"", c"')
    expect(csvCell(-1.23456)).to.equal('-1.235')
    expect(csvCell(null)).to.equal('')
  })
})

const page = (source: string): string => {
  const analysis = exampleAnalysis(source)
  return htmlReport(replayResult(analysis, PARAMETERS, null), analysis.connections, {
    parameters: PARAMETERS,
    connectionId: 3,
  })
}

describe('the page', () => {
  it('escapes what comes from outside', () => {
    expect(escapeHtml(HOSTILE + '\u0007')).to.equal('&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;.pcap\uFFFD')
    expect(page(HOSTILE)).to.not.contain('<script')
  })

  it('names nothing outside itself', () => {
    const text = page('example.pcap').replaceAll(/xmlns(:\w+)?="[^"]*"/g, '')
    expect(text).to.not.match(/https?:|src=|@import|url\(/)
    expect(text).to.contain('Connection 3, direct and over the overlay')
  })
})

describe('a waterfall', () => {
  for (const [what, changes] of [
    ['a request and its response', {}],
    [
      'a server that speaks first',
      {turns: [{from: 'server', bytes: 80, thinkMs: 3, startMs: 0, gapMs: 0, durationMs: 0}]},
    ],
    [
      'a request of several windows',
      {
        turns: [
          {from: 'client', bytes: 100_000, thinkMs: 2, startMs: 0, gapMs: 0, durationMs: 0},
          {from: 'server', bytes: 80, thinkMs: 3, startMs: 0, gapMs: 0, durationMs: 0},
        ],
      },
    ],
  ] as const) {
    it(`of ${what} is without gaps and ends when the model says`, () => {
      const parameters = {...PARAMETERS, replicationAckMs: [5], pairs: ['edge' as const, 'gateway' as const]}
      const connection = modelled(changes)
      const {direct, rows} = modelConnection(connection, parameters)
      for (const [path, times] of [
        ['direct', direct],
        ['split', rows[0].split],
        ['zero-rtt', rows[0].zeroRtt],
      ] as const) {
        const {spans, endMs} = waterfallOf(connection, parameters, path, 5)
        expect(endMs, path).to.be.closeTo(times.firstByteMs!, 0.01)
        expect(spans[0].fromMs).to.equal(0)
        expect(spans.at(-1)!.toMs).to.be.closeTo(endMs, 0.01)
        for (let at = 1; at < spans.length; at++) {
          expect(spans[at].fromMs, `${path}: ${spans[at].what}`).to.be.closeTo(spans[at - 1].toMs, 0.01)
        }
      }
    })
  }
})

describe('the distribution of round trips', () => {
  it('has every value in one bar, the highest too', () => {
    for (const values of [[5], [183.2, 171.9], [0, 0.1, 0.2, 0.3, 0.6, 0.7, 1.2]]) {
      const highest = Math.max(...values)
      const bins = binsOf(values, highest, 24)
      expect(bins.reduce((sum, {count}) => sum + count, 0)).to.equal(values.length)
      expect(bins.at(-1)!.count).to.be.above(0)
      for (const {from, to, count} of bins.slice(0, -1)) {
        expect(values.filter((value) => value >= from && value < to).length, `${from} to ${to}`).to.equal(count)
      }
    }
  })

  it('is drawn of a single connection too', () => {
    const one = exampleAnalysis().connections.slice(0, 1)
    const analysis = {...exampleAnalysis(), connections: one}
    const text = htmlReport(replayResult(analysis, PARAMETERS, null), one, {parameters: PARAMETERS, connectionId: null})
    const [, chart] = text.split('Handshake round trips</h2>')
    expect(chart.slice(0, chart.indexOf('</section>'))).to.match(/<rect /)
  })
})

describe('plots as text', () => {
  it('have the figures on their axes', () => {
    const {savings, connections} = replayResult(exampleAnalysis(), PARAMETERS, null)
    expect(savingsPlot(savings))
      .to.match(/against replication-ack latency/)
      .and.contain('20')
    expect(rttPlot(handshakeRtts(connections))).to.contain('█')
    expect(rttPlot(new Float64Array())).to.contain('none to plot')
  })
})

describe('the model’s flags', () => {
  it('not given are the defaults', () => {
    expect(parametersFromFlags({})).to.deep.equal(DEFAULT_PARAMETERS)
  })

  it('are taken, and refused by name', () => {
    expect(parametersFromFlags({legs: '1,2,3', pairs: 'gateway,edge', 'origin-connect': '0'})).to.deep.include({
      legs: {kind: 'absolute', clientEdge: 1, edgeGateway: 2, gatewayOrigin: 3},
      pairs: ['edge', 'gateway'],
      originConnectMs: 0,
    })
    for (const flags of [
      {legs: '1,2,3', 'path-stretch': '2'},
      {pairs: 'origin'},
      {pairs: ''},
      {growth: '0.5'},
      {'path-stretch': '-1'},
      {'origin-connect': 'soon'},
    ]) {
      expect(() => parametersFromFlags(flags), JSON.stringify(flags))
        .to.throw()
        .with.property('code', 'USAGE')
    }
  })
})

describe('the file of a report', () => {
  it('is found to be writable or not before there is anything to write, and is not made by that', () => {
    const directory = mkdtempSync(join(tmpdir(), 'overlay-report-'))
    try {
      const file = join(directory, 'report.csv')
      checkWritable('--csv', file)
      expect(existsSync(file)).to.equal(false)
      writeReport('--csv', file, ['a,', 'b'])
      checkWritable('--csv', file)
      expect(readFileSync(file, 'utf8')).to.equal('a,b')
      expect(() => checkWritable('--csv', directory)).to.throw(`--csv ${directory} cannot be written`)
      const nowhere = join(directory, 'none', 'report.html')
      expect(() => checkWritable('--html', nowhere)).to.throw(`--html ${nowhere} cannot be written`)
    } finally {
      rmSync(directory, {recursive: true})
    }
  })
})
