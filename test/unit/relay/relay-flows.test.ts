import {expect} from 'chai'
import {once} from 'node:events'
import {connect, type Socket} from 'node:net'

import type {OverlayError} from '../../../src/lib/errors/index.js'
import {askInstance} from '../../../src/lib/relay/admin-client.js'
import {listFlows} from '../../../src/lib/relay/flow-list.js'
import type {FlowSort} from '../../../src/lib/relay/flow-order.js'
import {flowsSchema, type FlowFilterTexts, type FlowsResult} from '../../../src/lib/relay/flow-schema.js'
import type {Supervisor} from '../../../src/lib/relay/supervisor.js'
import {LONG, Overlay, type Client, endpoint, eventually, freeAddress, split} from './harness.js'

interface Asked {
  sort?: FlowSort
  limit?: number
  filter?: FlowFilterTexts
}

/** Asks as the command does, over the admin socket. */
async function flowsOf(role: 'edge' | 'gateway', name: string, {sort = 'bytes', limit = 100, filter = {}}: Asked = {}) {
  return flowsSchema.parse(await listFlows(role, name, {sort, limit, filter}))
}

/** Without the health checks that come and go at a gateway. */
const served = ({flows}: FlowsResult) => flows.filter(({id}) => id !== null)

async function codeOf(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => 'nothing was thrown',
    (error: OverlayError) => error.code,
  )
}

const addressOf = ({socket}: Client): string => endpoint(socket.localAddress!, socket.localPort!)

for (const host of ['127.0.0.1', '::1']) {
  describe(`flows of an edge and a gateway on ${host}`, () => {
    let overlay: Overlay
    let origin: string
    let middle: string
    let listen: string
    let edge: Supervisor
    const accepted: Socket[] = []
    let clients: Client[]

    before(async () => {
      overlay = new Overlay()
      origin = await overlay.origin((socket) => {
        accepted.push(socket)
        socket.pipe(socket, {end: false})
      }, host)
      middle = freeAddress(host)
      listen = freeAddress(host)
      await overlay.gateway('g', middle, {processes: 2})
      edge = await overlay.edge('e', {listen, origin, gateway: [middle], processes: 2})
      // 100, 200, … bytes each way.
      clients = Array.from({length: 8}, () => overlay.client(listen))
      for (const [index, client] of clients.entries()) {
        client.socket.write('x'.repeat(100 * (index + 1)))
        await client.until(100 * (index + 1))
      }
    })

    after(() => overlay.close())

    it('are listed with the addresses of their legs, and what each way was read', async () => {
      const {flows, ...about} = await flowsOf('edge', 'e')
      expect(about).to.deep.include({role: 'edge', name: 'e', open: 8, matched: 8, omitted: 0, silent: [], pair: null})
      expect(flows.map(({bytes}) => bytes)).to.deep.equal(
        clients.map((_, index) => ({fromClient: 800 - 100 * index, toClient: 800 - 100 * index})),
      )
      expect(flows.map(({client}) => client)).to.deep.equal(clients.map((client) => addressOf(client)).reverse())
      for (const {legs, client, process, ...flow} of flows) {
        expect(flow).to.deep.include({state: 'relaying', service: 'default', origin, handshake: 'ordinary'})
        expect(flow).to.deep.include({waiting: {toOrigin: 0, toClient: 0}, replication: null})
        expect(edge.pids.length, 'control process and relay processes').to.equal(2)
        expect(edge.pids).to.include(process)
        expect(legs[0]).to.include({leg: 'client-edge', local: listen, remote: client, tcp: 'established'})
        expect(legs[1]).to.include({leg: 'edge-gateway', remote: middle, tcp: 'established', unacknowledgedBytes: 0})
        for (const {rttMs} of legs) expect(rttMs).to.be.within(0.001, 1000)
      }
    })

    it('have the same ids at the gateway, whose near legs are the edge’s far ones; neither preamble nor reply counts', async () => {
      const atEdge = await flowsOf('edge', 'e')
      const atGateway = await flowsOf('gateway', 'g')
      expect(served(atGateway).map(({id}) => id)).to.deep.equal(atEdge.flows.map(({id}) => id))
      expect(new Set(atEdge.flows.map(({id}) => id)).size).to.equal(8)
      for (const [index, flow] of served(atGateway).entries()) {
        const seen = atEdge.flows[index]
        expect(flow.bytes).to.deep.equal(seen.bytes)
        expect(flow.legs[0]).to.include({local: middle, remote: seen.legs[1].local})
        expect(flow.legs[1]).to.include({leg: 'gateway-origin', remote: origin})
        expect(flow).to.include({state: 'relaying', origin, client: null, service: null})
      }
    })

    it('come largest first, up to the limit, from both processes', async () => {
      const {flows, omitted} = await flowsOf('edge', 'e', {limit: 3})
      expect(flows.map(({bytes}) => bytes.fromClient)).to.deep.equal([800, 700, 600])
      expect(omitted).to.equal(5)
      // Each was written to after the one before it.
      const idle = (await flowsOf('gateway', 'g', {sort: 'idle'})).flows.map(({idleMs}) => idleMs)
      expect(idle).to.have.lengthOf.at.least(8)
      expect(idle).to.deep.equal([...idle].sort((a, b) => b - a))
    })

    it('are those asked for', async () => {
      const {host: address, port} = split(addressOf(clients[2]))
      const one = await flowsOf('edge', 'e', {filter: {client: endpoint(address, port)}})
      expect(one).to.include({matched: 1, open: 8})
      expect(one.flows[0].bytes.fromClient).to.equal(300)
      const id = one.flows[0].id!
      expect((await flowsOf('gateway', 'g', {filter: {flow: id}})).flows.map((flow) => flow.id)).to.deep.equal([id])
      const matched = async (role: 'edge' | 'gateway', filter: FlowFilterTexts) =>
        (await flowsOf(role, role === 'edge' ? 'e' : 'g', {filter})).matched
      const nobody = host === '::1' ? 'fd00::1' : '192.0.2.1'
      expect(await matched('edge', {service: 'default', client: address, gateway: middle, origin})).to.equal(8)
      expect(await matched('edge', {client: nobody})).to.equal(0)
      expect(await matched('edge', {gateway: nobody})).to.equal(0)
      expect(await matched('edge', {origin: nobody})).to.equal(0)
      expect(await matched('gateway', {edge: address, origin})).to.equal(8)
      expect(await matched('gateway', {edge: nobody})).to.equal(0)
      expect(await matched('gateway', {origin: nobody})).to.equal(0)
      expect(await codeOf(matched('edge', {service: 'defualt'}))).to.equal('NOT_FOUND')
    })

    it('say who has ended, and are gone with both ends', async () => {
      const {id} = (await flowsOf('edge', 'e', {limit: 1})).flows[0]
      const asked = {filter: {flow: id!}}
      clients[7].socket.end()
      for (const [role, name] of [
        ['edge', 'e'],
        ['gateway', 'g'],
      ] as const) {
        await eventually('the client’s end was read', async () => {
          const [flow] = (await flowsOf(role, name, asked)).flows
          return flow.ended.client && !flow.ended.origin
        })
      }

      accepted.find((socket) => socket.bytesRead === 800)!.end()
      await eventually('it is gone', async () => (await flowsOf('gateway', 'g', asked)).matched === 0)
      expect((await flowsOf('edge', 'e')).open).to.equal(7)
    })
  })
}

describe('flows that are not relaying', () => {
  let overlay: Overlay

  beforeEach(() => {
    overlay = new Overlay()
  })

  afterEach(() => overlay.close())

  it('of a reader that does not read, what is held is shown and sorted by', async () => {
    const stalled: Socket[] = []
    const origin = await overlay.origin((socket) => {
      stalled.push(socket)
      socket.pause()
    })
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    await overlay.edge('e', {listen, origin, gateway: [middle]})
    const idle = overlay.client(listen)
    idle.socket.write('hello')
    const bulk = overlay.client(listen)
    const sent = 64 * 1024 ** 2
    bulk.socket.write(Buffer.alloc(sent))
    let seen: FlowsResult | undefined
    await eventually(
      'the gateway holds bytes',
      async () => {
        seen = await flowsOf('gateway', 'g', {sort: 'waiting'})
        return served(seen).length === 2 && seen.flows[0].waiting.toOrigin > 0
      },
      10_000,
    )
    const [held, other] = served(seen!)
    expect(held.bytes.fromClient).to.be.within(held.waiting.toOrigin, sent)
    expect(held.legs[1].unacknowledgedBytes).to.be.greaterThan(0)
    expect(other).to.deep.include({waiting: {toOrigin: 0, toClient: 0}, bytes: {fromClient: 5, toClient: 0}})
  })

  it('a connection without a preamble, and one whose gateway does not answer, say so', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const {host, port} = split(middle)
    const silent = connect(port, host)
    await once(silent, 'connect')
    await eventually('it is listed', async () => (await flowsOf('gateway', 'g')).open === 1)
    const [flow] = (await flowsOf('gateway', 'g')).flows
    expect(flow).to.deep.include({id: null, state: 'preamble', origin: null, ageMs: null})
    expect(flow.legs[0].remote).to.equal(endpoint(silent.localAddress!, silent.localPort!))
    expect(flow.legs[1]).to.deep.include({local: null, remote: null, tcp: null, rttMs: null, congestionWindow: null})
    silent.destroy()
    const impostor = await overlay.impostor(() => {})
    await overlay.edge('e', {listen, origin: '127.0.0.1:9', gateway: [impostor]})
    const client = overlay.client(listen)
    client.socket.write('early')
    await eventually('it is listed', async () => (await flowsOf('edge', 'e')).flows[0]?.bytes.fromClient === 5)
    const [dialling] = (await flowsOf('edge', 'e')).flows
    expect(dialling).to.deep.include({state: 'dialling', bytes: {fromClient: 5, toClient: 0}})
    expect(dialling.legs[1]).to.include({remote: impostor, tcp: 'established'})
  })

  it('that come to nothing are in the logs of both by the same id', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    await overlay.edge('e', {listen, origin: freeAddress(), gateway: [middle]})
    const client = overlay.client(listen)
    client.socket.write('hello')
    await client.closed
    const flowOf = (kind: string) => overlay.logs.find((line) => line.kind === kind)?.flow
    await eventually('all three lines', () => ['origin', 'refused', 'gave-up'].every((kind) => flowOf(kind)))
    expect(flowOf('origin')).to.match(/^[\da-f]{16}-\d+$/)
    expect([flowOf('refused'), flowOf('gave-up')]).to.deep.equal([flowOf('origin'), flowOf('origin')])
    expect(overlay.logs.find(({kind}) => kind === 'gateway-up')).to.not.have.property('flow')
  })

  it('of an edge that does not run are refused as status is, and wrong words before that', async () => {
    const query = {sort: 'bytes', limit: 1, filter: {}} as const
    expect(await codeOf(listFlows('edge', 'nobody', query))).to.equal('NOT_RUNNING')
    expect(await codeOf(askInstance('edge', 'nobody', {command: 'status'}, 1000))).to.equal('NOT_RUNNING')
    expect(await codeOf(listFlows('edge', 'nobody', {...query, filter: {origin: 'x'}}))).to.equal('USAGE')
  })

  it('a question that is malformed, or whose asker is gone, leaves the instance as it was', async () => {
    await overlay.gateway('g', freeAddress())
    const bad = {command: 'flows', sort: 'bytes', limit: 1_000_000, filter: {}} as const
    expect(await codeOf(askInstance('gateway', 'g', bad, 1000))).to.equal('USAGE')
    const gone = new AbortController()
    const asked = listFlows('gateway', 'g', {sort: 'bytes', limit: 1, filter: {}}, gone.signal)
    gone.abort()
    expect(await asked.catch((error: Error) => error.name)).to.equal('AbortError')
    expect(await flowsOf('gateway', 'g')).to.include({open: 0, matched: 0})
  })
})

describe('many flows', () => {
  // Client and origin are in one process here, with two descriptors for each.
  const count = LONG ? 8000 : 1000

  it(`${count} are all listed, in slices`, async () => {
    const overlay = new Overlay()
    try {
      const origin = await overlay.origin((socket) => socket.pipe(socket))
      const [middle, listen] = [freeAddress(), freeAddress()]
      await overlay.gateway('g', middle)
      await overlay.edge('e', {listen, origin, gateway: [middle], 'max-client-connections': count + 1})
      for (let open = 0; open < count; open += 200) {
        const some = Array.from({length: 200}, () => overlay.client(listen))
        for (const client of some) client.socket.write('hello')
        await Promise.all(some.map((client) => client.until(5)))
      }

      for (const [role, name] of [
        ['edge', 'e'],
        ['gateway', 'g'],
      ] as const) {
        for (const sort of ['bytes', 'rtt'] as const) {
          const {flows, omitted, pauseMs, matched} = await flowsOf(role, name, {sort, limit: 10_000})
          const ids = new Set(flows.filter(({state}) => state === 'relaying').map(({id}) => id))
          expect(ids.size).to.equal(count)
          expect({omitted, length: flows.length}).to.deep.equal({omitted: 0, length: matched})
          // How long that is depends on who else runs on this machine; flow-scan.test.ts has the rule.
          expect(pauseMs).to.be.greaterThan(0)
          if (LONG) console.log(`      ${role}, by ${sort}: kept from its connections for ${pauseMs} ms at most`)
        }
      }
    } finally {
      await overlay.close()
    }
  }).timeout(LONG ? 120_000 : 30_000)
})
