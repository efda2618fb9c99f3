import {expect} from 'chai'

import {ClockOffsets} from '../../../src/lib/relay/clock-offsets.js'
import {GatewayHealth, ZERO_RTT_BLOCK_MS, ZERO_RTT_TRUST_MS} from '../../../src/lib/relay/gateway-health.js'
import {JsonLines} from '../../../src/lib/relay/json-lines.js'
import {LatencyHistogram} from '../../../src/lib/relay/latency-histogram.js'
import {OriginAllowList} from '../../../src/lib/relay/origin-allow-list.js'
import {RateLimitedLog, type LogLine} from '../../../src/lib/relay/rate-limited-log.js'
import {addressBytes} from '../../../src/lib/wire/endpoint.js'

describe('gateway health', () => {
  it('goes from unknown to up, to suspect at one failure, to down at two, and back at one success', () => {
    const health = new GatewayHealth()
    expect(health).to.include({state: 'unknown', preferred: true})
    expect(health.succeeded()).to.equal(true)
    expect(health.succeeded()).to.equal(false)
    expect(health.failed()).to.equal(true)
    expect(health).to.include({state: 'suspect', preferred: false})
    expect(health.failed()).to.equal(true)
    expect(health.state).to.equal('down')
    expect(health.succeeded()).to.equal(true)
    expect(health).to.include({state: 'up', preferred: true})
  })

  it('leaves zero-RTT alone for ten seconds after an RST', () => {
    const health = new GatewayHealth()
    expect(health.zeroRttFits(0)).to.equal(true)
    health.blockZeroRtt(100)
    expect(health.zeroRttFits(100 + ZERO_RTT_BLOCK_MS - 1)).to.equal(false)
    expect(health.zeroRttFits(100 + ZERO_RTT_BLOCK_MS)).to.equal(true)
  })

  it('trusts the zero-RTT handshake for a while after one was accepted', () => {
    const health = new GatewayHealth()
    expect(health.zeroRttPasses(0)).to.equal(false)
    health.servedZeroRtt(100)
    expect(health.zeroRttPasses(100 + ZERO_RTT_TRUST_MS - 1)).to.equal(true)
    expect(health.zeroRttPasses(100 + ZERO_RTT_TRUST_MS)).to.equal(false)
  })

  it('takes the shortest of the last eight round trips', () => {
    const health = new GatewayHealth()
    for (const rtt of [5, 3, 9, 9, 9, 9, 9, 9, 9]) health.measured(rtt)
    expect(health.rttMs).to.equal(3)
    health.measured(9)
    expect(health.rttMs).to.equal(9)
  })
})

describe('origin allow-list', () => {
  const list = new OriginAllowList(
    ['10.9.0.0/16:443', '192.0.2.7:8000-8099', '[fd00::/8]:80', '[2001:db8::1]:*', '198.51.100.128/25:1'],
    '--allow-origin',
  )
  const allows = (address: string, port: number): boolean => list.allows(addressBytes(address), port)

  it('allows what it names and nothing else', () => {
    expect(allows('10.9.255.1', 443)).to.equal(true)
    expect(allows('10.9.255.1', 80)).to.equal(false)
    expect(allows('10.8.255.1', 443)).to.equal(false)
    expect(allows('192.0.2.7', 8000)).to.equal(true)
    expect(allows('192.0.2.7', 8099)).to.equal(true)
    expect(allows('192.0.2.7', 8100)).to.equal(false)
    expect(allows('192.0.2.8', 8000)).to.equal(false)
    expect(allows('fd12::1', 80)).to.equal(true)
    expect(allows('fe80::1', 80)).to.equal(false)
    expect(allows('2001:db8::1', 65_535)).to.equal(true)
    expect(allows('198.51.100.200', 1)).to.equal(true)
    expect(allows('198.51.100.100', 1)).to.equal(false)
    // An IPv6 prefix never allows IPv4, nor the other way round.
    expect(new OriginAllowList(['0.0.0.0/0:*'], 'x').allows(addressBytes('::1'), 80)).to.equal(false)
  })

  it('refuses what it cannot read, naming it', () => {
    for (const text of [
      '',
      '10.0.0.1',
      '10.0.0.1:0',
      '10.0.0.1:70000',
      '10.0.0.0/33:80',
      'fd00::1:80',
      'host:80',
      '10.0.0.1:9-8',
    ]) {
      expect(() => new OriginAllowList([text], '--allow-origin'), text).to.throw(`--allow-origin: "${text}"`)
    }
  })
})

describe('latency histogram', () => {
  it('gives percentiles within a sixteenth, and adds up', () => {
    const all = new LatencyHistogram()
    const parts = [new LatencyHistogram(), new LatencyHistogram()]
    for (let i = 1; i <= 1000; i++) {
      all.add(i / 10)
      parts[i % 2].add(i / 10)
    }

    const merged = new LatencyHistogram()
    for (const part of parts) merged.merge(part.toJSON())
    expect(merged.summary()).to.deep.equal(all.summary())
    const {p50, p90, p99, max, count} = all.summary()
    expect(p50).to.be.within(50 * 0.93, 50 * 1.07)
    expect(p90).to.be.within(90 * 0.93, 90 * 1.07)
    expect(p99).to.be.within(99 * 0.93, 100)
    expect(max).to.equal(100)
    expect(count).to.equal(1000)
    expect(new LatencyHistogram().summary()).to.deep.equal({count: 0, p50: null, p90: null, p99: null, max: null})
    const extreme = new LatencyHistogram()
    extreme.add(0)
    extreme.add(1e9)
    expect(extreme.summary().count).to.equal(2)
  })
})

describe('rate-limited log', () => {
  it('shows the first of a kind and counts the rest', () => {
    const lines: LogLine[] = []
    let now = 0
    const log = new RateLimitedLog(
      (line) => lines.push(line),
      () => now,
    )
    for (let i = 0; i < 1_000_000; i++) log.warning('bad', () => `bad ${i}`)
    log.info('other', () => 'other')
    expect(lines.map((line) => line.message)).to.deep.equal(['bad 0', 'bad 1', 'bad 2', 'bad 3', 'bad 4', 'other'])
    now = 10_000
    log.warning('bad', () => 'again')
    expect(lines.at(-1)).to.deep.equal({level: 'warning', kind: 'bad', message: 'again', suppressed: 999_995})
  })
})

describe('JSON lines', () => {
  it('puts pieces together, and refuses what is no JSON or too long', () => {
    const lines = new JsonLines(20)
    expect(lines.push('{"a"')).to.deep.equal([])
    expect(lines.push(':1}\n\n{"b":2}\n[')).to.deep.equal([{a: 1}, {b: 2}])
    expect(() => lines.push('x]\n')).to.throw(SyntaxError)
    expect(() => new JsonLines(20).push('x'.repeat(30))).to.throw(RangeError)
  })
})

describe('clock offsets', () => {
  it('remembers a bounded number of edges', () => {
    const offsets = new ClockOffsets()
    for (let i = 0; i < 100; i++) offsets.note({instanceHigh: 0, instanceLow: i, timestamp: 600_000}, 0)
    const json = offsets.toJSON()
    expect(Object.keys(json).length).to.equal(64)
    expect(json['0000000000000063']).to.equal(600_000)
  })
})
