import {expect} from 'chai'

import {Content} from '../../../src/lib/failover/content.js'
import {junitReport} from '../../../src/lib/failover/junit.js'
import type {LoadReports} from '../../../src/lib/failover/load.js'
import {renderReport, reportOf} from '../../../src/lib/failover/report.js'
import {scenarioSchema} from '../../../src/lib/failover/scenario.js'
import {judge, type Observations} from '../../../src/lib/failover/verdict.js'

const UP = 1000
const DOWN = 70_000

const scenario = scenarioSchema.parse({
  name: 'test',
  description: 'a test',
  load: [{flows: 1, up: UP, down: DOWN}],
  steps: [{at: '1s', do: 'kill', target: 'edge.primary'}],
  expect: {takeovers: 1},
})

type Client = LoadReports['clients'][number]

/** A connection open from 0.5 s to 2 s, of which everything arrived. */
function client(flow: number, change: Partial<Client> = {}): Client {
  return {
    flow,
    group: 0,
    startedAt: 500,
    connectedAt: 510,
    endedAt: 2000,
    received: DOWN,
    expected: DOWN,
    wrongAt: -1,
    sha256: new Content(flow, 1).digest(DOWN),
    error: null,
    gaps: [[990, 1040]],
    ...change,
  }
}

function origin(flow: number, change: object = {}) {
  return {flow, received: UP, wrongAt: -1, sha256: new Content(flow, 0).digest(UP), error: null, ...change}
}

function observe(change: Partial<Observations> = {}): Observations {
  return {
    scenario,
    seed: 5,
    startedAt: 0,
    reports: {clients: [client(1)], origins: [origin(1)]},
    faults: [{at: 1000, kind: 'kill', target: 'edge-a', fired: true}],
    takeovers: 1,
    moves: 1,
    paired: true,
    ...change,
  }
}

const failing = (reports: LoadReports, change: Partial<Observations> = {}) => {
  const result = judge(observe({reports, ...change}))
  expect(result.verdict).to.equal('fail')
  return {...result, failed: result.checks.filter(({pass}) => !pass).map(({name, kind}) => `${kind}: ${name}`)}
}

describe('verdict of a scenario', () => {
  it('passes when everything arrived and the fault came', () => {
    const result = judge(observe())
    expect(result).to.include({verdict: 'pass', scenario: 'test', seed: 5, bytesLost: 0, bytesDuplicated: 0})
    expect(result.flows).to.deep.equal({started: 1, completed: 1, reset: 0, corrupted: 0, timedOut: 0})
    // From the fault to the next byte.
    expect(result.gapMs).to.deep.equal({p50: 40, p99: 40, max: 40})
    expect(result.faults[0]).to.include({fired: true, flowsOpen: 1})
  })

  it('is inconclusive when a fault had no effect', () => {
    const faults = [{at: 1000, kind: 'kill' as const, target: 'edge-a', fired: false}]
    expect(judge(observe({faults})).verdict).to.equal('inconclusive')
  })

  it('is inconclusive when no connection was open', () => {
    const reports = {clients: [client(1, {startedAt: 1100})], origins: [origin(1)]}
    expect(judge(observe({reports})).verdict).to.equal('inconclusive')
  })

  it('does not want connections open at what undoes a fault', () => {
    const faults = [...observe().faults, {at: 5000, kind: 'restart' as const, target: 'all', fired: true}]
    expect(judge(observe({faults})).verdict).to.equal('pass')
  })

  it('fails, as a matter of safety, for bytes lost, doubled or changed', () => {
    const lost = failing({clients: [client(1, {received: DOWN - 10})], origins: [origin(1)]})
    expect(lost.bytesLost).to.equal(10)
    expect(lost.failed).to.include('safety: bytes lost')
    const doubled = failing({clients: [client(1)], origins: [origin(1, {received: UP + 3})]})
    expect(doubled.bytesDuplicated).to.equal(3)
    const changed = failing({clients: [client(1, {wrongAt: 17})], origins: [origin(1)]})
    expect(changed.failed).to.include('safety: corrupted connections')
    const digest = failing({clients: [client(1)], origins: [origin(1, {sha256: 'other'})]})
    expect(digest.flows.corrupted).to.equal(1)
  })

  it('fails, as a matter of liveness, for resets and connections that do not end', () => {
    const reset = failing({clients: [client(1), client(2, {error: 'ECONNRESET'})], origins: [origin(1)]})
    expect(reset.flows).to.include({reset: 1, completed: 1})
    expect(reset.failed).to.deep.equal(['liveness: connections reset'])
    const late = failing({clients: [client(1), client(2, {error: 'TIMEOUT'})], origins: [origin(1)]})
    expect(late.failed).to.deep.equal(['liveness: connections that did not end'])
  })

  it('fails for two owners, for another number of takeovers, and for a pair that does not pair', () => {
    const {reports} = observe()
    expect(failing(reports, {moves: 2}).failed).to.deep.equal(['safety: virtual addresses that changed hosts'])
    expect(failing(reports, {takeovers: 2}).failed).to.deep.equal(['liveness: takeovers'])
    expect(failing(reports, {paired: false}).failed).to.deep.equal(['liveness: paired in the end'])
  })

  it('several runs are as good as the worst', () => {
    const good = judge(observe())
    const bad = judge(observe({paired: false}))
    const report = reportOf([good, bad, good])
    expect(report.verdict).to.equal('fail')
    expect(report.flows.started).to.equal(3)
    expect(report.gapMs.p50).to.equal(40)
    expect(report.runs).to.have.length(3)
    expect(renderReport(report)).to.include('3 runs').and.to.include('FAIL')
    expect(renderReport(good)).to.include('edge-a')
  })

  it('JUnit: a suite for each run, failures and what is inconclusive in it', () => {
    const bad = judge(observe({paired: false, faults: [{at: 1000, kind: 'kill', target: 'edge-a', fired: false}]}))
    const idle = judge(observe({faults: [{at: 1000, kind: 'kill', target: 'edge-a', fired: false}]}))
    const xml = junitReport([bad, {...idle, scenario: 'a<b>&"c"'}])
    expect(xml).to.include('failures="1"').and.to.include('<skipped').and.to.include('a&lt;b&gt;&amp;&quot;c&quot;')
    expect(xml.match(/<testsuite /g)).to.have.length(2)
  })
})
