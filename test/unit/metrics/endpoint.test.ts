import {expect} from 'chai'
import {existsSync} from 'node:fs'

import {CATALOGUE, seriesOf, type MetricName} from '../../../src/lib/metrics/catalogue.js'
import {exposition} from '../../../src/lib/metrics/exposition.js'
import {instanceSamples} from '../../../src/lib/metrics/instance-samples.js'
import type {InstanceStatus} from '../../../src/lib/relay/supervisor.js'
import {hasPromtool, promtool} from '../../support/promtool.js'
import {eventually, freeAddress, Overlay} from '../relay/harness.js'

/** Time series by their name with labels. */
function parse(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1).replace('Inf', 'Infinity'))]
    }),
  )
}

const names = (text: string): Set<string> => new Set([...parse(text).keys()].map((each) => each.replace(/\{.*/, '')))

/** Of a scope all series, those without a sample left out: nothing has happened yet. */
function expected(scopes: readonly string[], absent: readonly MetricName[]): string[] {
  return (Object.keys(CATALOGUE) as MetricName[])
    .filter((name) => scopes.includes(CATALOGUE[name].scope) && !absent.includes(name))
    .flatMap((name) => seriesOf(name))
}

const scrape = async (address: string): Promise<string> => {
  const response = await fetch(`http://${address}/metrics`, {signal: AbortSignal.timeout(5000)})
  expect(response.status).to.equal(200)
  expect(response.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/)
  return response.text()
}

describe('the metrics endpoint', () => {
  let overlay: Overlay
  const [gatewayAt, edgeAt, edgeMetrics, gatewayMetrics] = Array.from({length: 4}, () => freeAddress())
  const metricsAt = (role: 'edge' | 'gateway', listen: string): string =>
    overlay.writeConfig({[role]: {metrics: {listen}}})

  before(async () => {
    overlay = new Overlay()
    const origin = await overlay.origin((socket) => socket.pipe(socket))
    await overlay.gateway('g', gatewayAt, {config: metricsAt('gateway', gatewayMetrics)})
    const config = metricsAt('edge', edgeMetrics)
    await overlay.edge('e', {listen: edgeAt, origin, gateway: [gatewayAt], processes: 2, config})
  })

  after(() => overlay.close())

  it('sums what all relay processes have counted', async () => {
    for (let count = 0; count < 20; count++) {
      const client = overlay.client(edgeAt)
      client.socket.end('hello')
      expect(await client.untilEnd()).to.equal('hello')
    }

    await eventually(
      'all ended',
      async () => parse(await scrape(edgeMetrics)).get('overlay_connections_ended_total{how="completed"}') === 20,
    )
    const edge = parse(await scrape(edgeMetrics))
    const gateway = parse(await scrape(gatewayMetrics))
    const dialled = `{gateway="${gatewayAt}",handshake="ordinary"}`
    expect(edge.get('overlay_connections_accepted_total')).to.equal(20)
    expect(edge.get('overlay_received_bytes_total{leg="client-edge"}')).to.equal(100)
    expect(edge.get(`overlay_edge_dials_total${dialled}`)).to.equal(20)
    expect(edge.get(`overlay_edge_connect_seconds_count${dialled}`)).to.equal(20)
    expect(edge.get('overlay_relay_processes')).to.equal(2)
    expect(edge.get(`overlay_edge_gateway_up{gateway="${gatewayAt}"}`)).to.equal(1)
    expect(gateway.get('overlay_gateway_served_total')).to.equal(20)
    expect(gateway.get('overlay_gateway_origin_connect_seconds_count')).to.equal(20)
    expect(gateway.get('overlay_received_bytes_total{leg="gateway-origin"}')).to.equal(100)
  })

  it('has every metric of its role, and no other', async () => {
    const absent: MetricName[] = ['overlay_handshake_events_total', 'overlay_gateway_unauthenticated_total']
    const edge = await scrape(edgeMetrics)
    const gateway = await scrape(gatewayMetrics)
    expect([...names(edge)]).to.have.members(expected(['both', 'edge'], absent))
    expect([...names(gateway)]).to.have.members(expected(['both', 'gateway'], absent))
    for (const text of [edge, gateway]) expect(text).to.not.match(/client=|origin=|port=/)
  })

  it('is what promtool takes for good metrics', async function () {
    if (!hasPromtool()) this.skip()
    for (const address of [edgeMetrics, gatewayMetrics]) {
      expect(promtool(['check', 'metrics'], await scrape(address)), address).to.equal(null)
    }
  })

  it('counts a connection without a preamble by its reason, and a refusal of an origin', async () => {
    const stranger = overlay.client(gatewayAt)
    stranger.socket.write('GET / HTTP/1.1\r\n\r\n')
    await stranger.closed
    const series = parse(await scrape(gatewayMetrics))
    const unauthenticated = [...series].filter(([name]) => name.startsWith('overlay_gateway_unauthenticated_total'))
    expect(unauthenticated.reduce((sum, [, value]) => sum + value, 0)).to.equal(1)
    expect(series.get('overlay_gateway_refused_total{reason="origin-not-allowed"}')).to.equal(0)
  })

  it('serves nothing else', async () => {
    for (const [method, path, status] of [
      ['GET', '/', 404],
      ['GET', '/metrics/../admin', 404],
      ['POST', '/metrics', 405],
      ['HEAD', '/metrics', 200],
    ] as const) {
      const options = {method, signal: AbortSignal.timeout(5000)}
      expect((await fetch(`http://${edgeMetrics}${path}`, options)).status, `${method} ${path}`).to.equal(status)
    }
  })

  it('refuses an address that is taken, and leaves nothing of the instance', async () => {
    const config = metricsAt('gateway', gatewayMetrics)
    const failure = await overlay.gateway('second', freeAddress(), {config}).catch((error: unknown) => error)
    expect(failure).to.have.property('code', 'ADDRESS_IN_USE')
    expect(failure).to.have.property('message').that.contains(`metrics on ${gatewayMetrics}`)
    expect(existsSync(`${overlay.directory}/run/gateway/second`)).to.equal(false)
  })
})

const pair: NonNullable<InstanceStatus['pair']> = {
  member: 'a',
  role: 'owner',
  epoch: 7,
  link: 'paired',
  peer: '192.0.2.2:7900',
  solo: false,
  leaseMs: 230,
  flows: 12,
  outstandingBytes: 4096,
  keptBytes: 65_536,
  paused: false,
  journalBytes: 0,
  journalHighestBytes: 1024,
  journalLimitBytes: 1 << 28,
  takeovers: 2,
  lastTakeover: {evidence: 'claim', epoch: 7, flows: 40, lost: 1, durationMs: 12.5},
  soloCount: 1,
  notReplicated: 3,
  linksUp: 4,
  fences: 2,
  datapath: {ackHeld: 100, muted: 5},
}
const status = (changes: Partial<typeof pair> = {}): InstanceStatus =>
  ({
    role: 'edge',
    name: String.raw`a"b\c`,
    state: 'ready',
    uptimeMs: 1000,
    processes: [{pid: 1, ready: true}],
    restarts: 0,
    handshake: {counters: {synSent: 9}},
    pair: {...pair, ...changes},
  }) as unknown as InstanceStatus

const pairSeries = async (changes: Partial<typeof pair>): Promise<Map<string, number>> =>
  parse(await exposition(instanceSamples(status(changes), 0, '1', 1e9)))

describe('the metrics of a pair', () => {
  it('are all of the catalogue’s, with seconds and bytes for units', async () => {
    const text = await exposition(instanceSamples(status(), 0, '1', 1e9))
    const series = parse(text)
    const own = expected(['pair'], [])
    expect([...names(text)].filter((name) => name.startsWith('overlay_pair_'))).to.have.members(own)
    expect(series.get('overlay_pair_owner')).to.equal(1)
    expect(series.get('overlay_pair_lease_seconds')).to.equal(0.23)
    expect(series.get('overlay_pair_takeover_duration_seconds')).to.equal(0.0125)
    expect(series.get('overlay_pair_outstanding_bytes')).to.equal(4096)
    expect(series.get('overlay_pair_datapath_events_total{event="ackHeld"}')).to.equal(100)
    expect(series.get('overlay_handshake_events_total{event="synSent"}')).to.equal(9)
    if (hasPromtool()) expect(promtool(['check', 'metrics'], text)).to.equal(null)
  })

  it('say who may not speak, and a lease without end', async () => {
    expect((await pairSeries({leaseMs: 0})).get('overlay_pair_owner')).to.equal(0)
    expect((await pairSeries({leaseMs: null})).get('overlay_pair_lease_seconds')).to.equal(Number.POSITIVE_INFINITY)
    const backup = await pairSeries({role: 'backup', link: 'up', lastTakeover: null})
    expect([backup.get('overlay_pair_backup'), backup.get('overlay_pair_link_up')]).to.deep.equal([1, 1])
    expect(backup.has('overlay_pair_takeover_flows')).to.equal(false)
  })
})
