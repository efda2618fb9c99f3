import {expect} from 'chai'
import {execFileSync} from 'node:child_process'

import {
  Overlay,
  descriptorsOf,
  edgeTrafficOf,
  eventually,
  freeAddress,
  fullListener,
  gatewayTrafficOf,
  pause,
} from './harness.js'

describe('limits of edge and gateway', () => {
  let overlay: Overlay

  beforeEach(() => {
    overlay = new Overlay()
  })

  afterEach(() => overlay.close())

  it('resets a connection that is idle for longer than allowed, and no other', async () => {
    const origin = await overlay.origin((socket) => socket.pipe(socket))
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin, gateway: [middle], 'idle-timeout': '1s'})
    const idle = overlay.client(listen)
    const busy = overlay.client(listen)
    idle.socket.write('x')
    for (let i = 0; i < 15; i++) {
      busy.socket.write('x')
      await pause(200)
    }

    await idle.closed
    expect(idle.error).to.equal('ECONNRESET')
    expect(await busy.until(15)).to.equal('x'.repeat(15))
    expect(busy.socket.closed).to.equal(false)
    expect((await edgeTrafficOf(edge)).connections.idleTimeouts).to.equal(1)
  })

  it('gives up an origin that does not answer', async () => {
    const mute = freeAddress()
    const full = fullListener(mute)
    try {
      const [middle, listen] = [freeAddress(), freeAddress()]
      const gateway = await overlay.gateway('g', middle, {'connect-timeout': '500ms'})
      await overlay.edge('e', {listen, origin: mute, gateway: [middle]})
      const client = overlay.client(listen)
      client.socket.write('hello')
      const started = Date.now()
      await client.closed
      expect(client.error).to.equal('ECONNRESET')
      expect(Date.now() - started).to.be.within(400, 1500)
      expect((await gatewayTrafficOf(gateway)).refused).to.deep.equal({'origin-unreachable': 1})
    } finally {
      full.close()
    }
  })

  it('lets connections beyond the limit wait, and takes them when there is room', async () => {
    const origin = await overlay.origin((socket) => socket.pipe(socket))
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin, gateway: [middle], 'max-connections': 3})
    const clients = Array.from({length: 5}, () => overlay.client(listen))
    for (const client of clients) client.socket.write('hello')
    await eventually('three are open', async () => (await edgeTrafficOf(edge)).connections.live === 3)
    await pause(100)
    expect(clients.filter((client) => client.received.length > 0).length).to.equal(3)
    for (const client of clients.filter((one) => one.received.length > 0)) client.socket.end()
    await eventually('the others are served', () => clients.every((client) => client.received.length === 5))
    expect(overlay.logs.some((line) => line.kind === 'full')).to.equal(true)
  })

  it('serves several services over several processes', async () => {
    const origins = await Promise.all(
      ['one', 'two'].map((word) => overlay.origin((socket) => socket.on('error', () => {}).end(word))),
    )
    const middle = freeAddress()
    await overlay.gateway('g', middle, {processes: 2})
    const listens = [freeAddress(), freeAddress()]
    const config = overlay.writeConfig({
      edge: {
        services: origins.map((origin, index) => ({
          name: `s${index}`,
          listen: listens[index],
          origin,
          gateways: [middle],
        })),
      },
    })
    const edge = await overlay.edge('e', {config, processes: 2})
    expect(edge.pids.length).to.equal(2)
    for (let i = 0; i < 20; i++) {
      for (const [index, word] of ['one', 'two'].entries()) {
        const client = overlay.client(listens[index])
        expect(await client.untilEnd()).to.equal(word)
        client.socket.end()
      }
    }

    expect((await edgeTrafficOf(edge)).connections.accepted).to.equal(40)
  })

  it('keeps descriptors and memory bounded through connections that come to nothing', async () => {
    const [middle, listen] = [freeAddress(), freeAddress()]
    const gateway = await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin: freeAddress(), gateway: [middle]})
    for (let round = 0; round < 20; round++) {
      const clients = Array.from({length: 25}, () => overlay.client(listen))
      for (const client of clients) client.socket.write('x')
      await Promise.all(clients.map((client) => client.closed))
      expect(clients.every((client) => client.error === 'ECONNRESET')).to.equal(true)
    }

    await eventually('nothing is open', async () => {
      const [atEdge, atGateway] = [await edgeTrafficOf(edge), await gatewayTrafficOf(gateway)]
      return atEdge.connections.live === 0 && atGateway.connections.live === 0
    })
    expect((await edgeTrafficOf(edge)).gaveUp).to.equal(500)
    expect(overlay.logs.length).to.be.lessThan(60)
  })

  it('rests when descriptors run out, says so, and goes on when there are some', async () => {
    const origin = await overlay.origin((socket) => socket.pipe(socket))
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin, gateway: [middle]})
    const [pid] = edge.pids
    const limit = descriptorsOf(pid) + 21
    execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}:${limit}`])
    const clients = Array.from({length: 40}, () => overlay.client(listen))
    for (const client of clients) client.socket.write('hello')
    const served = (): number => clients.filter((client) => client.received.length === 5).length
    await eventually('it has run out', () => overlay.logs.some((line) => /accept-exhausted|no-socket/.test(line.kind)))
    await pause(300)
    expect(served()).to.be.within(5, 11)
    for (const client of clients) client.socket.destroy()
    await eventually('it serves again', async () => {
      const client = overlay.client(listen)
      client.socket.write('hello')
      const text = await Promise.race([client.until(5), pause(200)])
      client.socket.destroy()
      return text === 'hello'
    })
    expect(edge.pids).to.deep.equal([pid])
    expect(overlay.logs.length).to.be.lessThan(60)
  })
})
