import {expect} from 'chai'
import {connect} from 'node:net'

import {Client, Overlay, edgeTrafficOf, eventually, freeAddress, gatewayTrafficOf, pause, split} from './harness.js'

async function served(client: Client): Promise<boolean> {
  client.socket.write('hello')
  return (await client.until(5)) === 'hello'
}

describe('limits of clients, services and origins', () => {
  let overlay: Overlay
  let echo: string

  beforeEach(async () => {
    overlay = new Overlay()
    echo = await overlay.origin((socket) => socket.pipe(socket))
  })

  afterEach(() => overlay.close())

  async function servedOf(count: number, listen: string): Promise<{clients: Client[]; served: number}> {
    const clients = Array.from({length: count}, () => overlay.client(listen))
    const results = await Promise.all(clients.map((client) => served(client)))
    return {clients, served: results.filter(Boolean).length}
  }

  it('a client address has so many connections, and another one its own', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin: echo, gateway: [middle], 'max-client-connections': 3})
    const first = await servedOf(5, listen)
    expect(first.served).to.equal(3)
    expect(first.clients.filter(({error}) => error === 'ECONNRESET')).to.have.lengthOf(2)
    const elsewhere = new Client(connect({...split(listen), localAddress: '127.0.0.2'}))
    expect(await served(elsewhere)).to.equal(true)
    elsewhere.socket.destroy()
    for (const client of first.clients) client.socket.destroy()
    await eventually('they are gone', async () => (await edgeTrafficOf(edge)).connections.live === 0)
    expect((await servedOf(3, listen)).served).to.equal(3)
    expect((await edgeTrafficOf(edge)).limited).to.deep.equal({'client-connections': 2})
    expect(
      overlay.logs.some(({kind, message}) => kind === 'limited' && message.includes('client-connections')),
    ).to.equal(true)
  })

  it('a client address makes so many in a second', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin: echo, gateway: [middle], 'max-client-rate': 10})
    const {served: count} = await servedOf(30, listen)
    // Those that came late may have found some of the next second's.
    expect(count).to.be.within(10, 20)
    expect((await edgeTrafficOf(edge)).limited).to.deep.equal({'client-rate': 30 - count})
    await pause(1100)
    expect((await servedOf(10, listen)).served).to.equal(10)
  })

  it('a service has a limit of its own, which a reload changes without forgetting who is there', async () => {
    const [middle, a, b] = [freeAddress(), freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const services = (maxConnections: number): object => ({
      edge: {
        services: [
          {name: 'a', listen: a, origin: echo, gateways: [middle], maxConnections},
          {name: 'b', listen: b, origin: echo, gateways: [middle], maxRate: 5},
        ],
      },
    })
    const edge = await overlay.edge('e', {config: overlay.writeConfig(services(2))})
    expect((await servedOf(4, a)).served).to.equal(2)
    overlay.writeConfig(services(3))
    expect((await edge.reload()).applied).to.deep.equal(['edge.services.0.maxConnections'])
    expect((await servedOf(4, a)).served, 'two of three are there already').to.equal(1)
    const fast = (await servedOf(15, b)).served
    expect(fast).to.be.within(5, 10)
    expect((await edgeTrafficOf(edge)).limited).to.deep.equal({'service-connections': 5, 'service-rate': 15 - fast})
  })

  it('an origin has a limit at the gateway, and the edge asks the next gateway', async () => {
    const [one, two, listen] = [freeAddress(), freeAddress(), freeAddress()]
    const first = await overlay.gateway('g1', one, {'max-origin-connections': 2})
    const second = await overlay.gateway('g2', two)
    const edge = await overlay.edge('e', {listen, origin: echo, gateway: [one, two]})
    const {served: count, clients} = await servedOf(5, listen)
    expect(count).to.equal(5)
    const limited = await gatewayTrafficOf(first)
    expect(limited.limited).to.deep.equal({'origin-connections': 3})
    expect(limited.refused).to.deep.equal({'too-many-connections': 3})
    expect((await gatewayTrafficOf(second)).connections.served).to.equal(3)
    expect((await edgeTrafficOf(edge)).redials).to.deep.equal({declined: 3})
    for (const client of clients) client.socket.destroy()
    await eventually('they are gone', async () => (await gatewayTrafficOf(first)).connections.live === 0)
    expect((await servedOf(2, listen)).served).to.equal(2)
    expect((await gatewayTrafficOf(first)).connections.served, 'the places are free again').to.equal(4)
  })

  it('an origin that cannot be reached leaves its places free', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    const gateway = await overlay.gateway('g', middle, {'max-origin-connections': 1})
    await overlay.edge('e', {listen, origin: freeAddress(), gateway: [middle]})
    for (let i = 0; i < 3; i++) expect((await servedOf(1, listen)).served).to.equal(0)
    expect((await gatewayTrafficOf(gateway)).limited).to.deep.equal({})
  })

  it('one address cannot take every place of a process by default', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin: echo, gateway: [middle], 'max-connections': 200})
    expect((await servedOf(120, listen)).served).to.equal(100)
    expect((await edgeTrafficOf(edge)).limited).to.deep.equal({'client-connections': 20})
  })
})
