import {expect} from 'chai'

import {ratesSince, renderFlows} from '../../../src/lib/relay/flow-render.js'
import {flowsSchema} from '../../../src/lib/relay/flow-schema.js'
import {exampleFlow, exampleFlows} from './example-flow.js'

const later = '2026-01-02T03:04:07.000Z'

const cells = (line: string): string[] => line.trim().split(/ {2,}/)

/** Cells of the row below the titles, by title. */
function firstRow(text: string): Record<string, string> {
  const lines = text.split('\n')
  const at = lines.findIndex((line) => line.startsWith('flow '))
  const titles = cells(lines[at])
  return Object.fromEntries(cells(lines[at + 2]).map((cell, index) => [titles[index], cell]))
}

const state = (client: boolean, origin: boolean): string =>
  firstRow(renderFlows(exampleFlows([exampleFlow({ended: {client, origin}})]))).state

describe('flows as a table', () => {
  it('the examples of these tests fit the schema', () => {
    flowsSchema.parse(exampleFlows([exampleFlow()]))
  })

  it('shows what was read', () => {
    const flow = exampleFlow({
      bytes: {fromClient: 1200, toClient: 5_000_000},
      waiting: {toOrigin: 1, toClient: 65_536},
      idleMs: 1234,
      ageMs: 65_000,
      legs: [
        {rttMs: 9.87, retransmissions: 2},
        {rttMs: 81.23, retransmissions: 1},
      ],
    })
    expect(firstRow(renderFlows(exampleFlows([flow])))).to.deep.equal({
      flow: '9f86d081884c7d65-1',
      state: 'relaying',
      client: '198.51.100.7:40000',
      'from client': '1200',
      'to client': '5000000',
      held: '65537',
      'RTT client': '9.87',
      'RTT gateway ms': '81.2',
      'sent again': '3',
      'idle s': '1.2',
      'age s': '65.0',
      gateway: '203.0.113.9:7000',
      opened: 'zero-rtt',
      service: 'web',
      origin: '10.9.0.5:443',
    })
  })

  it('a gateway names edge and origin by its legs, and what it does not know is a dash', () => {
    const flow = exampleFlow({
      id: null,
      state: 'preamble',
      ageMs: null,
      legs: [
        {rttMs: null, remote: '192.0.2.1:50000'},
        {rttMs: null, remote: null},
      ],
    })
    const row = firstRow(renderFlows(exampleFlows([flow], {role: 'gateway'})))
    expect(row).to.include({flow: '-', state: 'preamble', edge: '192.0.2.1:50000', origin: '-', 'age s': '-'})
    expect(row).to.include({'RTT edge': '-', 'RTT origin ms': '-'})
    expect(row).to.not.have.any.keys('service', 'client', 'opened')
  })

  it('half-closed connections say who has ended', () => {
    expect([state(false, false), state(true, false), state(false, true)]).to.deep.equal([
      'relaying',
      'client ended',
      'origin ended',
    ])
  })

  it('shows the lag in a pair, and only there', () => {
    const lagging = exampleFlow({replication: {flow: 3, replicated: true, lagBytes: 1448, lagAtMostMs: 12}})
    const text = renderFlows(exampleFlows([lagging], {pair: {role: 'owner', link: 'paired', flows: 1}}))
    expect(firstRow(text)).to.include({lag: '1448', ms: '12'})
    expect(text).to.contain('owner of its pair, replication link paired').and.contain('lag: bytes that the backup')
    expect(renderFlows(exampleFlows([exampleFlow()]))).to.not.contain('lag')
  })

  it('a backup says where its connections are listed', () => {
    const text = renderFlows(exampleFlows([], {pair: {role: 'backup', link: 'up', flows: 7}}))
    expect(text).to.contain('it holds 7 connections, which the owner lists')
  })

  it('says how many were left out, filtered, and whose are missing', () => {
    const text = renderFlows(exampleFlows([exampleFlow()], {open: 50, matched: 20, omitted: 19, silent: [4242]}))
    expect(text).to.contain('50 connections open, 20 of them asked for; 1 shown, by bytes; 19 left out')
    expect(text).to.contain('relay process 4242 did not answer')
  })

  it('has no table without connections', () => {
    expect(renderFlows(exampleFlows([])).split('\n')).to.have.lengthOf(1)
  })

  it('counts rates from one look to the next', () => {
    const before = exampleFlows([exampleFlow({bytes: {fromClient: 100, toClient: 900}})])
    const now = exampleFlows(
      [
        exampleFlow({bytes: {fromClient: 300, toClient: 2700}}),
        exampleFlow({id: '9f86d081884c7d65-2', bytes: {fromClient: 5, toClient: 5}}),
        exampleFlow({id: null}),
      ],
      {time: later},
    )
    expect(ratesSince(before, now)).to.deep.equal(new Map([['9f86d081884c7d65-1', 1000]]))
    expect(firstRow(renderFlows(now, before))).to.include({'bytes/s': '1000'})
    expect(ratesSince(now, before).size, 'a clock that was set back').to.equal(0)
  })
})
