import {expect} from 'chai'

import {percentiles} from '../../../src/lib/bench/percentiles.js'
import {renderHandshakeBench} from '../../../src/lib/bench/render.js'
import {Samples, floorOf} from '../../../src/lib/bench/samples.js'
import {handshakeBenchSchema, type HandshakeBench, type PathName} from '../../../src/lib/bench/schema.js'

const outcome = (ms: number) => ({connectMs: ms, requestAtOriginMs: ms * 2, firstByteMs: ms * 3})

function bench(...samples: Samples[]): HandshakeBench {
  const rttMs = {clientEdge: 10, edgeGateway: 80, gatewayOrigin: 2}
  return handshakeBenchSchema.parse({
    rttMs,
    floorMs: floorOf(rttMs),
    congestionControl: 'reno',
    rounds: 1,
    repeats: 1,
    responseBytes: 100,
    paths: samples.map((path) => path.result()),
  })
}

const path = (name: PathName, ...sizes: number[]) => new Samples(name, sizes)

describe('bench results', () => {
  it('percentiles are by nearest rank, to a thousandth', () => {
    expect(percentiles([])).to.equal(null)
    expect(percentiles([1.23456])).to.deep.equal({p50: 1.235, p90: 1.235, p99: 1.235})
    const hundred = Array.from({length: 100}, (_, index) => 100 - index)
    expect(percentiles(hundred)).to.deep.equal({p50: 50, p90: 90, p99: 99})
  })

  it('the floor is one handshake with the edge and then the whole path', () => {
    expect(floorOf({clientEdge: 10, edgeGateway: 80, gatewayOrigin: 2})).to.deep.equal({
      requestAtOrigin: 56,
      firstByte: 102,
    })
  })

  it('the times under a path are those of its smallest request, repeated', () => {
    const samples = path('zero-rtt', 100, 4096)
    samples.add(100, 'first', outcome(1))
    samples.add(100, 'repeated', outcome(2))
    samples.add(4096, 'repeated', outcome(3))
    const [result] = bench(samples).paths
    expect(result.connectMs?.p50).to.equal(2)
    expect(result.requestAtOriginMs?.p50).to.equal(4)
    expect(result.firstByteMs?.p50).to.equal(6)
    expect(result.sizes.map((size) => [size.first.samples, size.repeated.samples])).to.deep.equal([
      [1, 1],
      [0, 1],
    ])
  })

  it('failed exchanges are counted, named once, and left out of the times', () => {
    const samples = path('split', 100)
    samples.add(100, 'repeated', outcome(2))
    samples.add(100, 'repeated', {error: 'ECONNRESET'})
    samples.add(100, 'first', {error: 'ECONNRESET'})
    const result = bench(samples)
    expect(result.paths[0]).to.deep.include({errors: 2, errorMessages: ['ECONNRESET']})
    expect(result.paths[0].connectMs).to.include({p50: 2, p90: 2, p99: 2})
    expect(renderHandshakeBench(result)).to.contain('split: 2 exchanges failed: ECONNRESET')
  })

  it('a skipped path says why, and has no times', () => {
    const skipped = path('nginx', 100)
    skipped.skip('nginx is not installed')
    const result = bench(path('direct', 100), skipped)
    expect(result.paths[1]).to.deep.include({skipped: 'nginx is not installed', connectMs: null, sizes: []})
    expect(renderHandshakeBench(result)).to.contain('nginx was skipped: nginx is not installed')
  })

  it('the table shows each path by its first contact and again', () => {
    const samples = path('direct', 100)
    samples.add(100, 'first', outcome(40))
    samples.add(100, 'repeated', outcome(30))
    const rows = renderHandshakeBench(bench(samples))
      .split('\n')
      .map((line) => line.trim().split(/\s{2,}/))
    expect(rows).to.deep.include(['direct', 'first', '40.0', '80.0', '120.0', '120.0', '120.0', '+18.0', '1'])
    expect(rows).to.deep.include(['again', '30.0', '60.0', '90.0', '90.0', '90.0', '-12.0', '1'])
  })
})
