import {expect} from 'chai'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'

import {ORIGIN_PORTS, PairStage} from '../../../src/lib/failover/stage.js'
import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import {flowsSchema, type Flow, type FlowsResult} from '../../../src/lib/relay/flow-schema.js'
import {OVERLAY, newSecret, overlay, Scratch, serve} from '../support/overlay.js'
import {addresses, startOverlay} from '../support/pair.js'

const HOLDER = fileURLToPath(new URL('../support/holder.mjs', import.meta.url))
const RTT = {clientEdge: 10, edgeGateway: 40, gatewayOrigin: 4}
const PORT = 9000
const BULK = 4_000_000

/** What a busy machine, delayed acknowledgements and queues may add to a smoothed round trip, ms. */
const SLACK_MS = 100

/** Opens connections that stay, and gives their addresses at the client. */
async function hold(lab: Lab, options: {address: string; port: number; bytes: number[]; tickMs?: number}) {
  const holder = lab.spawn('client', [process.execPath, HOLDER, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const local = await new Promise<string[]>((resolve, reject) => {
    holder.child.stdout!.once('data', (chunk: Buffer) =>
      resolve((JSON.parse(chunk.toString()) as {local: string[]}).local),
    )
    holder.exited.then(() => reject(new Error('the holder ended')), reject)
  })
  return {holder, local}
}

async function flows(lab: Lab, host: string, role: 'edge' | 'gateway', ...words: string[]): Promise<FlowsResult> {
  return flowsSchema.parse(await overlay(lab, host, role, 'flows', ...words))
}

/** Asks again until it is so, for 10 s at most. */
async function until(what: string, look: () => Promise<FlowsResult>, good: (flow: Flow) => boolean): Promise<Flow> {
  for (const deadline = Date.now() + 10_000; ; await sleep(50)) {
    const [flow] = (await look()).flows
    if (flow !== undefined && good(flow)) return flow
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}: ${JSON.stringify(flow)}`)
  }
}

describe('flows of an edge and a gateway in a lab', function () {
  this.timeout(120_000)
  const scratch = new Scratch()
  let lab: Lab
  let held: Awaited<ReturnType<typeof hold>>

  before(async () => {
    lab = await Lab.up(
      {
        links: {
          'client-edge': {rttMs: RTT.clientEdge},
          'edge-gateway': {rttMs: RTT.edgeGateway},
          'gateway-origin': {rttMs: RTT.gatewayOrigin},
        },
      },
      {owned: true},
    )
    const at = addresses(lab)
    const keys = scratch.keyFile('keys', [{id: 1, secret: newSecret()}])
    await serve(lab, 'origin', PORT)
    const gateway = [`--listen=${at.gateway}:7000`, `--allow-origin=${at.origin}:${PORT}`, `--key-file=${keys}`]
    await startOverlay(lab, 'gateway', 'gateway', 'start', ...gateway, '--processes=1')
    const edge = [`--listen=${at.edge}:80`, `--origin=${at.origin}:${PORT}`, `--gateway=${at.gateway}:7000`]
    await startOverlay(lab, 'edge', 'edge', 'start', ...edge, `--key-file=${keys}`, '--processes=2')
    held = await hold(lab, {address: at.edge, port: 80, bytes: [100, 5000, BULK]})
  })

  after(async () => {
    await lab?.down()
    scratch.remove()
  })

  it('have the addresses, bytes and round trips of their legs at the edge', async () => {
    const at = addresses(lab)
    const {flows: listed, open} = await flows(lab, 'edge', 'edge')
    expect(open).to.equal(3)
    expect(listed.map(({client}) => client)).to.deep.equal([...held.local].reverse())
    expect(listed.map(({bytes}) => bytes)).to.deep.equal(
      [BULK, 5000, 100].map((bytes) => ({fromClient: bytes, toClient: bytes})),
    )
    for (const flow of listed) {
      const [near, far] = flow.legs
      expect(flow).to.include({state: 'relaying', service: 'default', origin: `${at.origin}:${PORT}`})
      expect(flow.handshake).to.equal('zero-rtt')
      expect(near).to.include({local: `${at.edge}:80`, remote: flow.client, tcp: 'established'})
      expect(far).to.include({remote: `${at.gateway}:7000`, tcp: 'established'})
      // The near leg has had a real handshake; of the far one the dummy's sample is the first.
      expect(near.rttMs).to.be.within(0.9 * RTT.clientEdge, RTT.clientEdge + SLACK_MS)
      expect(far.rttMs).to.be.within(0.001, RTT.edgeGateway + SLACK_MS)
    }

    // After a few thousand segments the dummy's sample has no weight.
    expect(listed[0].legs[1].rttMs).to.be.within(0.9 * RTT.edgeGateway, RTT.edgeGateway + SLACK_MS)
  })

  it('are the same at the gateway, by their ids', async () => {
    const at = addresses(lab)
    const atEdge = await flows(lab, 'edge', 'edge')
    const atGateway = await flows(lab, 'gateway', 'gateway', '--origin', at.origin)
    expect(atGateway.flows.map(({id}) => id)).to.deep.equal(atEdge.flows.map(({id}) => id))
    for (const [index, flow] of atGateway.flows.entries()) {
      const seen = atEdge.flows[index]
      expect(flow.bytes).to.deep.equal(seen.bytes)
      expect(flow.legs[0]).to.include({local: `${at.gateway}:7000`, remote: seen.legs[1].local})
      expect(flow.legs[1]).to.include({remote: `${at.origin}:${PORT}`, tcp: 'established'})
      expect(flow.legs[1].rttMs).to.be.within(0.9 * RTT.gatewayOrigin, RTT.gatewayOrigin + SLACK_MS)
    }

    expect(atGateway.flows[0].legs[0].rttMs).to.be.within(0.9 * RTT.edgeGateway, RTT.edgeGateway + SLACK_MS)
  })

  it('are sorted, limited and filtered', async () => {
    const idle = await flows(lab, 'edge', 'edge', '--sort', 'idle', '--limit', '2')
    expect(idle).to.include({open: 3, matched: 3, omitted: 1})
    expect(idle.flows[0].idleMs).to.be.at.least(idle.flows[1].idleMs)
    const one = await flows(lab, 'edge', 'edge', '--client', held.local[1])
    expect(one.flows.map(({bytes}) => bytes.fromClient)).to.deep.equal([5000])
    const id = one.flows[0].id!
    expect((await flows(lab, 'gateway', 'gateway', '--flow', id)).flows.map((flow) => flow.id)).to.deep.equal([id])
  })

  it('are watched until Ctrl-C, in text and in lines of JSON', async () => {
    for (const json of [false, true]) {
      const words = ['edge', 'flows', '--watch', '--interval', '200ms', ...(json ? ['--json'] : [])]
      const watching = lab.spawn('edge', [...OVERLAY, ...words], {stdio: ['ignore', 'pipe', 'pipe']})
      const out = await threeLooks(watching, json)
      const {code, signal} = await watching.stop('SIGINT')
      expect({code, signal}).to.deep.equal({code: 0, signal: null})
      if (json) for (const line of out.split('\n').slice(0, 3)) flowsSchema.parse(JSON.parse(line))
      else expect(out).to.contain('bytes/s').and.contain(held.local[0])
    }

    const status = lab.spawn('gateway', [...OVERLAY, 'gateway', 'status', '--watch', '--interval', '200ms', '--json'])
    await threeLooks(status, true)
    expect((await status.stop('SIGINT')).code).to.equal(0)
  })
})

/** What was printed until the third look was; each is a line of JSON, or a text with one head. */
function threeLooks({child, exited}: HostProcess, json: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      if (json ? out.split('\n').length > 3 : out.split('connections open').length > 3) resolve(out)
    })
    exited.then(() => reject(new Error(`it ended: ${out}`)), reject)
  })
}

describe('flows of a pair in a lab', function () {
  this.timeout(120_000)
  let stage: PairStage

  before(async () => {
    // A backup that is stopped for a moment shall not take over, nor the owner fall silent.
    stage = await PairStage.up({pairs: ['edge'], family: 'ipv4', rttMs: 4, lease: 5000, takeover: 10_000})
    await serve(stage.lab, 'origin', ORIGIN_PORTS[0])
  })

  after(() => stage?.down())

  it('have their replication lag, which lasts while the backup is silent; the backup says who lists them', async () => {
    const {address, port} = stage.service
    const owner = await stage.paired('edge')
    const backup = owner === 'a' ? 'b' : 'a'
    await hold(stage.lab, {address, port, bytes: [1000, 200_000], tickMs: 20})
    const name = `edge-${owner}`
    const listed = await flows(stage.lab, name, 'edge', '--name', name, '--sort', 'lag')
    expect(listed.pair).to.deep.equal({role: 'owner', link: 'paired', flows: 2})
    for (const {replication, client, legs} of listed.flows) {
      expect(replication).to.include({replicated: true})
      expect(client).to.match(/^10\.77\.1\./)
      expect(legs[0].local).to.equal(`${address}:${port}`)
    }

    const other = await flows(stage.lab, `edge-${backup}`, 'edge', '--name', `edge-${backup}`)
    expect(other).to.deep.include({open: 0, flows: []})
    expect(other.pair).to.include({role: 'backup', flows: 2})

    const ticking = (): Promise<FlowsResult> =>
      flows(stage.lab, name, 'edge', '--name', name, '--sort', 'lag', '--limit', '1')
    stage.signal('edge', backup, 'SIGSTOP')
    const stopped = performance.now()
    try {
      const {replication} = await until('it lags', ticking, (flow) => (flow.replication?.lagBytes ?? 0) > 0)
      // A heartbeat leaves every 10 ms; none was answered since, and it cannot be later than now.
      expect(replication!.lagAtMostMs).to.be.within(0, performance.now() - stopped + SLACK_MS)
      await sleep(200)
      const [later] = (await ticking()).flows
      // Not necessarily more bytes: without acknowledgements the client sends no more than its first window.
      expect(later.replication!.lagBytes).to.be.at.least(replication!.lagBytes)
      expect(later.replication!.lagAtMostMs).to.be.at.least(replication!.lagAtMostMs! + 150)
    } finally {
      stage.signal('edge', backup, 'SIGCONT')
    }

    const {replication} = await until('the backup has caught up', ticking, (flow) => flow.replication?.lagBytes === 0)
    expect(replication).to.deep.include({lagBytes: 0, lagAtMostMs: 0})
    expect(await stage.paired('edge')).to.equal(owner)
  })
})
