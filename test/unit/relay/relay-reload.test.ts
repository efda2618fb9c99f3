import {expect} from 'chai'
import {createServer} from 'node:net'

import type {Supervisor} from '../../../src/lib/relay/supervisor.js'
import {OverlayError} from '../../../src/lib/errors/index.js'
import {
  Overlay,
  descriptorsOf,
  edgeTrafficOf,
  eventually,
  freeAddress,
  gatewayTrafficOf,
  split,
  type Client,
} from './harness.js'

interface Service {
  name: string
  listen: string
  origin: string
  gateways: string[]
}

/** Says a word and reads it back. */
async function exchange(client: Client, word: string): Promise<boolean> {
  const before = client.received.length
  client.socket.write(word)
  const all = await client.until(before + word.length)
  return all.slice(before) === word
}

const edgeOf = (services: Service[], more: object = {}): object => ({edge: {services, ...more}})

async function codeOf(supervisor: Supervisor): Promise<string | undefined> {
  try {
    await supervisor.reload()
    return undefined
  } catch (error) {
    return (error as OverlayError).code
  }
}

describe('a reload of a running edge or gateway', () => {
  let overlay: Overlay
  let echo: string

  beforeEach(async () => {
    overlay = new Overlay()
    echo = await overlay.origin((socket) => socket.pipe(socket))
  })

  afterEach(() => overlay.close())

  async function reaches(address: string): Promise<boolean> {
    const client = overlay.client(address)
    const reached = await exchange(client, 'hello')
    client.socket.destroy()
    return reached
  }

  it('applies the allow-list of a gateway, and lets open connections be', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    const section = {listen: middle, allowOrigins: [echo]}
    const config = overlay.writeConfig({gateway: section})
    const gateway = await overlay.gateway('g', middle, {config, listen: undefined, 'allow-origin': undefined})
    await overlay.edge('e', {listen, origin: echo, gateway: [middle]})
    const open = overlay.client(listen)
    expect(await exchange(open, 'hello')).to.equal(true)
    overlay.writeConfig({gateway: {...section, allowOrigins: ['127.0.0.1:9']}})
    expect(await gateway.reload()).to.deep.include({applied: ['gateway.allowOrigins'], restart: []})
    expect(await exchange(open, ' more')).to.equal(true)
    expect(await reaches(listen)).to.equal(false)
    expect((await gatewayTrafficOf(gateway)).refused).to.deep.equal({'origin-not-allowed': 1})
    overlay.writeConfig({gateway: section})
    await gateway.reload()
    expect(await reaches(listen)).to.equal(true)
  })

  it('applies limits and timeouts, to open connections too', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const services = [{name: 'a', listen, origin: echo, gateways: [middle]}]
    const config = overlay.writeConfig(edgeOf(services, {maxConnections: 1}))
    const edge = await overlay.edge('e', {config})
    const [first, second] = [overlay.client(listen), overlay.client(listen)]
    first.socket.write('one')
    second.socket.write('two')
    await eventually('one of them is served', () => first.received.length + second.received.length === 3)
    overlay.writeConfig(edgeOf(services, {maxConnections: 5, drainTimeout: '200ms'}))
    expect((await edge.reload()).applied).to.deep.equal([
      'edge.drainTimeout',
      'edge.maxConnections',
      // Which is the drain timeout unless given.
      'edge.shutdownDrainTimeout',
    ])
    await eventually('the other one too', () => first.received.length + second.received.length === 6)
    overlay.writeConfig(edgeOf(services, {maxConnections: 5, drainTimeout: '200ms', idleTimeout: '1s'}))
    await edge.reload()
    await Promise.all([first.closed, second.closed])
    expect((await edgeTrafficOf(edge)).connections.idleTimeouts).to.equal(2)
    const late = overlay.client(listen)
    expect(await exchange(late, 'late')).to.equal(true)
    const drained = await edge.drain()
    expect(drained).to.include({open: 1, aborted: 1})
    expect(drained.durationMs).to.be.lessThan(2000)
  })

  it('gives new connections the new gateways, and open ones keep theirs', async () => {
    const [one, two, listen] = [freeAddress(), freeAddress(), freeAddress()]
    const first = await overlay.gateway('g1', one)
    const second = await overlay.gateway('g2', two)
    const service = {name: 'a', listen, origin: echo, gateways: [one]}
    const often = {healthInterval: '200ms'}
    const config = overlay.writeConfig(edgeOf([service], often))
    const edge = await overlay.edge('e', {config, processes: 2})
    const open = overlay.client(listen)
    expect(await exchange(open, 'hello')).to.equal(true)
    overlay.writeConfig(edgeOf([{...service, gateways: [two]}], often))
    expect((await edge.reload()).applied).to.deep.equal(['edge.services.0.gateways'])
    expect(await reaches(listen)).to.equal(true)
    expect(await exchange(open, ' more')).to.equal(true)
    expect((await gatewayTrafficOf(first)).connections.served).to.equal(1)
    expect((await gatewayTrafficOf(second)).connections.served).to.equal(1)
    expect((await edgeTrafficOf(edge)).gateways.map(({gateway}) => gateway)).to.deep.equal([two])
    const before = (await gatewayTrafficOf(second)).healthChecks
    await eventually('the new one is asked again', async () => (await gatewayTrafficOf(second)).healthChecks > before)
    const asked = (await gatewayTrafficOf(first)).healthChecks
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect((await gatewayTrafficOf(first)).healthChecks, 'the old one is no longer asked').to.equal(asked)
  })

  it('adds, moves and removes services, also for a process that starts later', async () => {
    const middle = freeAddress()
    await overlay.gateway('g', middle)
    const words = ['one', 'two', 'three']
    const origins = await Promise.all(
      words.map((word) => overlay.origin((socket) => socket.on('data', () => socket.write(word)))),
    )
    const service = (at: number): Service => ({
      name: words[at],
      listen: freeAddress(),
      origin: origins[at],
      gateways: [middle],
    })
    const [one, two, three] = [service(0), service(1), service(2)]
    const config = overlay.writeConfig(edgeOf([one, two]))
    const edge = await overlay.edge('e', {config, processes: 2})
    const says = async (address: string): Promise<string> => {
      const client = overlay.client(address)
      client.socket.write('?')
      const text = await client.until(3)
      client.socket.destroy()
      return text || (client.error ?? '')
    }

    const open = overlay.client(one.listen)
    open.socket.write('?')
    expect(await open.until(3)).to.equal('one')
    // The first one goes, the second becomes the first, a third comes.
    overlay.writeConfig(edgeOf([two, three]))
    await edge.reload()
    expect(edge.listen).to.deep.equal([two.listen, three.listen])
    for (let i = 0; i < 6; i++) {
      expect(await says(two.listen)).to.equal('two')
      expect(await says(three.listen)).to.equal('three')
      expect(await says(one.listen)).to.equal('ECONNREFUSED')
    }

    open.socket.write('?')
    expect(await open.until(6)).to.equal('oneone')
    const killed = edge.pids
    for (const pid of killed) process.kill(pid, 'SIGKILL')
    await eventually(
      'others run',
      async () => {
        const {processes} = await edge.status()
        return processes.every(({pid, ready}) => ready && !killed.includes(pid))
        // Two processes of Node start, on whatever else the machine is doing.
      },
      30_000,
    )
    expect(await says(two.listen)).to.equal('two')
    expect(await says(three.listen)).to.equal('three')
    overlay.writeConfig(edgeOf([three, one]))
    await edge.reload()
    for (let i = 0; i < 6; i++) {
      expect(await says(one.listen)).to.equal('one')
      expect(await says(three.listen)).to.equal('three')
    }
  })

  it('changes nothing when one of the addresses is taken', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const service = {name: 'a', listen, origin: echo, gateways: [middle]}
    const config = overlay.writeConfig(edgeOf([service]))
    const edge = await overlay.edge('e', {config})
    const taken = createServer()
    const place = freeAddress()
    await new Promise<void>((resolve) => taken.listen(split(place).port, '127.0.0.1', resolve))
    try {
      const fresh = {...service, name: 'b', listen: freeAddress()}
      overlay.writeConfig(edgeOf([fresh, {...service, listen: place}], {idleTimeout: '1s'}))
      expect(await codeOf(edge)).to.equal('ADDRESS_IN_USE')
      expect(await reaches(listen)).to.equal(true)
      expect(await reaches(fresh.listen)).to.equal(false)
      expect(edge.listen).to.deep.equal([listen])
    } finally {
      taken.close()
    }

    const {applied} = await edge.reload()
    expect(applied).to.include.members(['edge.idleTimeout', 'edge.services.1.listen'])
  })

  it('changes nothing when configuration or key file is bad', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const service = {name: 'a', listen, origin: echo, gateways: [middle]}
    const config = overlay.writeConfig(edgeOf([service]))
    const edge = await overlay.edge('e', {config})
    overlay.writeConfig(edgeOf([{...service, gateways: []}]))
    expect(await codeOf(edge)).to.equal('CONFIG_INVALID')
    overlay.writeConfig(edgeOf([{...service, gateways: [freeAddress()]}]))
    overlay.writeKeys()
    expect(await codeOf(edge)).to.equal('KEY_FILE_INVALID')
    expect(await reaches(listen)).to.equal(true)
    overlay.writeKeys(1)
  })

  it('drops nobody under load, and leaks no descriptor', async () => {
    const [middle, listen, other] = [freeAddress(), freeAddress(), freeAddress()]
    const gatewayConfig = (count: number): object => ({
      gateway: {listen: middle, allowOrigins: Array.from({length: count}, (_, i) => `127.0.0.${i + 1}:*`)},
    })
    const service = {name: 'a', listen, origin: echo, gateways: [middle]}
    const config = overlay.writeConfig(edgeOf([service]))
    await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {config, processes: 2})
    const held = overlay.client(listen)
    expect(await exchange(held, 'x')).to.equal(true)
    const state = {stopped: false, done: 0, failed: 0}
    const lane = async (): Promise<void> => {
      while (!state.stopped) {
        if (await reaches(listen)) state.done++
        else state.failed++
      }
    }

    const lanes = Promise.all([lane(), lane(), lane()])
    const change = async (round: number): Promise<void> => {
      const second = {...service, name: 'b', listen: other, gateways: [freeAddress(), middle]}
      overlay.writeConfig({...edgeOf(round % 2 === 0 ? [second, service] : [service]), ...gatewayConfig(round + 1)})
      await edge.reload()
      expect(await exchange(held, 'x')).to.equal(true)
    }

    await change(0)
    await change(1)
    const before = [process.pid, ...edge.pids].map((pid) => descriptorsOf(pid))
    for (let round = 2; round < 22; round++) await change(round)
    state.stopped = true
    await lanes
    expect(state.failed).to.equal(0)
    expect(state.done).to.be.greaterThan(20)
    await eventually('no more descriptors than before', () =>
      [process.pid, ...edge.pids].every((pid, index) => descriptorsOf(pid) <= before[index] + 3),
    )
  })
})
