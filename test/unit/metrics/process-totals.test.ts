import {expect} from 'chai'
import fc from 'fast-check'

import {ProcessTotals} from '../../../src/lib/metrics/process-totals.js'
import {BUCKETS_SECONDS, histogramSamples, sample, type Sample} from '../../../src/lib/metrics/sample.js'
import {LatencyHistogram} from '../../../src/lib/relay/latency-histogram.js'

const counted = (value: number): Sample => sample('overlay_connections_accepted_total', value)
const open = (value: number): Sample => sample('overlay_connections', value)
const valueOf = (samples: readonly Sample[], metric: string): number | undefined =>
  samples.find((each) => each.metric === metric)?.value

describe('the metrics of several relay processes', () => {
  it('are sums, or the smallest or largest where that is said', () => {
    const gateway = {gateway: '192.0.2.1:7000'}
    const of = (accepted: number, up: number, rtt: number, blocked: number): Sample[] => [
      counted(accepted),
      sample('overlay_edge_gateway_up', up, gateway),
      sample('overlay_edge_gateway_rtt_seconds', rtt, gateway),
      sample('overlay_edge_gateway_zero_rtt_blocked', blocked, gateway),
    ]
    const total = new ProcessTotals().add([
      {pid: 1, samples: of(5, 1, 0.02, 0)},
      {pid: 2, samples: of(7, 0, 0.01, 1)},
    ])
    expect(total.map(({value}) => value)).to.have.members([12, 0, 0.01, 1])
  })

  it('keep what a process had counted that has ended, and that does not answer', () => {
    const totals = new ProcessTotals()
    totals.add([
      {pid: 1, samples: [counted(5), open(2)]},
      {pid: 2, samples: [counted(7), open(1)]},
    ])
    const silent = totals.add([
      {pid: 1, samples: null},
      {pid: 2, samples: [counted(8), open(3)]},
    ])
    expect(valueOf(silent, 'overlay_connections_accepted_total')).to.equal(13)
    expect(valueOf(silent, 'overlay_connections')).to.equal(3)
    const replaced = totals.add([
      {pid: 3, samples: [counted(1), open(1)]},
      {pid: 2, samples: [counted(8), open(0)]},
    ])
    expect(valueOf(replaced, 'overlay_connections_accepted_total')).to.equal(14)
    expect(valueOf(replaced, 'overlay_connections')).to.equal(1)
  })

  it('never fall, whatever processes end, begin or fall silent', () => {
    const step = fc.array(fc.constantFrom('count', 'silent', 'die'), {minLength: 3, maxLength: 3})
    fc.assert(
      fc.property(fc.array(step, {maxLength: 30}), (steps) => {
        const totals = new ProcessTotals()
        const processes = [1, 2, 3].map((pid) => ({pid, count: 0}))
        let next = 4
        let before = 0
        for (const what of steps) {
          const answers = processes.map((each, index) => {
            each.count++
            if (what[index] === 'die') Object.assign(each, {pid: next++, count: 0})
            return {pid: each.pid, samples: what[index] === 'silent' ? null : [counted(each.count)]}
          })
          const now = valueOf(totals.add(answers), 'overlay_connections_accepted_total') ?? 0
          expect(now).to.be.at.least(before)
          before = now
        }
      }),
    )
  })
})

describe('a Prometheus histogram', () => {
  it('has every time in the bucket that it belongs to, within 1/128', () => {
    const ms = [0.04, 0.2, 3, 3.1, 40, 700, 20_000]
    const histogram = new LatencyHistogram()
    for (const each of ms) histogram.add(each)
    const samples = histogramSamples('overlay_edge_confirm_seconds', histogram.toJSON(), {gateway: 'g'})
    for (const [index, bound] of BUCKETS_SECONDS.entries()) {
      expect(samples[index].labels).to.deep.equal({gateway: 'g', le: String(bound)})
      expect(samples[index].value).to.equal(ms.filter((each) => each / 1000 <= bound).length)
    }

    const [infinite, sum, count] = samples.slice(-3)
    expect([infinite.value, count.value]).to.deep.equal([7, 7])
    const exact = ms.reduce((total, each) => total + each / 1000, 0)
    expect(sum.value).to.be.within(exact * (1 - 1 / 128), exact * (1 + 1 / 128))
  })
})
