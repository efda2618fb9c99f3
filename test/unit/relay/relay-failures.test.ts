import {expect} from 'chai'
import {createServer, type AddressInfo, type Server} from 'node:net'

import type {EdgeFlags} from '../../../src/lib/config/relay-settings.js'
import type {Supervisor} from '../../../src/lib/relay/supervisor.js'
import {
  Overlay,
  type Client,
  edgeTrafficOf,
  endpoint,
  eventually,
  freeAddress,
  fullListener,
  gatewayTrafficOf,
  pause,
} from './harness.js'

describe('when a gateway or an origin fails', () => {
  let overlay: Overlay
  const extra: Server[] = []

  beforeEach(() => {
    overlay = new Overlay()
  })

  afterEach(async () => {
    for (const server of extra.splice(0)) server.close()
    await overlay.close()
  })

  /** A gateway that holds no key: it takes connections and does what the test says. */
  async function stranger(serve: Parameters<typeof createServer>[1]): Promise<string> {
    const server = createServer(serve)
    extra.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return endpoint('127.0.0.1', (server.address() as AddressInfo).port)
  }

  /** An edge over these gateways ("real" is one of ours, with an origin that echoes) and a client of it. */
  async function through(
    gateways: string[],
    flags: Partial<EdgeFlags> = {},
  ): Promise<{edge: Supervisor; client: Client}> {
    const middle = freeAddress()
    const listen = freeAddress()
    if (gateways.includes('real')) await overlay.gateway('g', middle)
    const gateway = gateways.map((address) => (address === 'real' ? middle : address))
    const edge = await overlay.edge('e', {
      listen,
      origin: await echoOrigin(),
      gateway,
      'health-interval': '1h',
      ...flags,
    })
    return {edge, client: overlay.client(listen)}
  }

  async function echoOrigin(): Promise<string> {
    return overlay.origin((socket) => socket.pipe(socket))
  }

  it('resets the client when the origin refuses', async () => {
    const middle = freeAddress()
    const listen = freeAddress()
    const gateway = await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin: freeAddress(), gateway: [middle]})
    for (const first of ['', 'GET /']) {
      const client = overlay.client(listen)
      if (first !== '') client.socket.write(first)
      await client.closed
      expect(client.error).to.equal('ECONNRESET')
    }

    expect((await gatewayTrafficOf(gateway)).refused).to.deep.equal({'origin-unreachable': 2})
    const traffic = await edgeTrafficOf(edge)
    expect(traffic.gaveUp).to.equal(2)
    // It is the origin's fault: the gateway stays in use.
    expect(traffic.gateways[0].state).to.equal('up')
  })

  it('resets the client when the origin is not allowed, and connects nowhere', async () => {
    let connections = 0
    const origin = await overlay.origin(() => {
      connections++
    })
    const middle = freeAddress()
    const listen = freeAddress()
    const gateway = await overlay.gateway('g', middle, {'allow-origin': ['127.0.0.1:1', '10.0.0.0/8:*']})
    await overlay.edge('e', {listen, origin, gateway: [middle]})
    const client = overlay.client(listen)
    client.socket.write('x')
    await client.closed
    expect(client.error).to.equal('ECONNRESET')
    expect(connections).to.equal(0)
    expect((await gatewayTrafficOf(gateway)).refused).to.deep.equal({'origin-not-allowed': 1})
  })

  it('dials the next gateway when the first does not listen', async () => {
    const dead = freeAddress()
    const middle = freeAddress()
    const listen = freeAddress()
    await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin: await echoOrigin(), gateway: [dead, middle]})
    const client = overlay.client(listen)
    client.socket.write('hello')
    expect(await client.until(5)).to.equal('hello')
    const traffic = await edgeTrafficOf(edge)
    expect(traffic.gateways.map((gateway) => gateway.state)).to.deep.equal(['suspect', 'up'])
  })

  for (const end of ['closes', 'resets'] as const) {
    it(`asks a gateway again that takes the early bytes and ${end}, then the next`, async () => {
      let asked = 0
      const bad = await overlay.impostor((socket) => {
        asked++
        if (end === 'resets') socket.resetAndDestroy()
        else socket.end()
      })
      const {edge, client} = await through([bad, 'real'])
      const request = 'r'.repeat(30_000)
      client.socket.write(request)
      expect(await client.until(request.length)).to.equal(request)
      const traffic = await edgeTrafficOf(edge)
      expect(asked).to.equal(2)
      expect(traffic.redials).to.deep.equal({'reset-after-ack': 2})
      expect(traffic.gateways[1].accepted.ordinary).to.equal(1)
      expect(traffic.gaveUp).to.equal(0)
    })
  }

  it('sends early bytes again with the client FIN that came with them', async () => {
    const bad = await overlay.impostor((socket) => socket.resetAndDestroy())
    const {client} = await through([bad, 'real'])
    client.socket.end('all there is')
    expect(await client.untilEnd()).to.equal('all there is')
    expect(client.error).to.equal(undefined)
  })

  it('does not try another gateway after an ambiguous end when told so', async () => {
    const bad = await overlay.impostor((socket) => socket.resetAndDestroy())
    const {client} = await through([bad, 'real'], {'retry-other-gateway': false})
    client.socket.write('hello')
    await client.closed
    expect(client.error).to.equal('ECONNRESET')
  })

  it('keeps early bytes beyond the limit with the client until the gateway accepts', async () => {
    const total = 3 * 1024 * 1024
    const slow = await overlay.impostor((socket, bytes, reply) => {
      let {length} = bytes
      let atReply = 0
      socket.on('data', (part) => {
        length += part.length
      })
      setTimeout(() => {
        atReply = length
        socket.write(reply())
      }, 300)
      socket.on('end', () => socket.end(`${atReply} then ${length}`))
    })
    const {client} = await through([slow])
    client.socket.end(Buffer.alloc(total))
    const [atReply, all] = (await client.untilEnd()).split(' then ').map(Number)
    expect(atReply).to.be.within(60_000, 65_536 + 200)
    expect(all - total).to.be.within(100, 200)
  })

  it('takes a reply that comes a byte at a time', async () => {
    const pieces = await overlay.impostor((socket, _, reply) => {
      const bytes = Buffer.concat([reply(), Buffer.from('late')])
      socket.setNoDelay(true)
      let at = 0
      const timer = setInterval(() => {
        if (at < bytes.length) socket.write(bytes.subarray(at, ++at))
        else clearInterval(timer)
      }, 2)
    })
    const {client} = await through([pieces])
    client.socket.write('hello')
    expect(await client.until(4)).to.equal('late')
  })

  it('leaves a gateway that acknowledges nothing after the confirm timeout', async () => {
    const silent = freeAddress()
    const full = fullListener(silent)
    try {
      const middle = freeAddress()
      const listen = freeAddress()
      await overlay.gateway('g', middle)
      const edge = await overlay.edge('e', {
        listen,
        origin: await echoOrigin(),
        gateway: [silent, middle],
        'confirm-timeout': '200ms',
      })
      // While its first health check hangs the silent one still counts as unknown and is dialled first.
      const started = Date.now()
      const client = overlay.client(listen)
      client.socket.write('hello')
      expect(await client.until(5)).to.equal('hello')
      expect(Date.now() - started).to.be.within(1000, 2500)
      expect((await edgeTrafficOf(edge)).redials).to.deep.equal({silent: 1})
    } finally {
      full.close()
    }
  })

  it('gives up at the connect timeout when a gateway acknowledges and never answers', async () => {
    const mute = await overlay.impostor((socket) => socket.resume())
    const {client} = await through([mute], {'connect-timeout': '700ms'})
    const started = Date.now()
    client.socket.write('hello')
    await client.closed
    expect(client.error).to.equal('ECONNRESET')
    expect(Date.now() - started).to.be.within(600, 1500)
  })

  it('does not believe a reply that fits no key', async () => {
    const liar = await stranger((socket) => {
      socket.on('error', () => {})
      const reply = Buffer.alloc(40)
      reply.write('OVR1')
      reply.writeUInt16BE(1, 6)
      socket.once('data', () => socket.write(Buffer.concat([reply, Buffer.from('forged')])))
    })
    const listen = freeAddress()
    await overlay.edge('e', {listen, origin: freeAddress(), gateway: [liar]})
    const client = overlay.client(listen)
    client.socket.write('hello')
    await client.closed
    expect(client.received.toString()).to.equal('')
    expect(client.error).to.equal('ECONNRESET')
  })

  it('carries on over the second gateway when the first is killed under load', async () => {
    const origin = await echoOrigin()
    const [first, second, listen] = [freeAddress(), freeAddress(), freeAddress()]
    const victim = await overlay.gateway('g1', first)
    await overlay.gateway('g2', second)
    const edge = await overlay.edge('e', {listen, origin, gateway: [first, second]})
    let failures = 0
    let done = 0
    const run = {stopped: false}
    const lane = async (): Promise<void> => {
      while (!run.stopped) {
        const client = overlay.client(listen)
        client.socket.write('ping')
        await client.until(4)
        // A connection whose gateway is killed after it had accepted is lost: that is what replication is for.
        if (client.received.toString() !== 'ping') failures++
        client.socket.end()
        await client.closed
        done++
      }
    }

    const lanes = Promise.all(Array.from({length: 4}, lane))
    await pause(300)
    const before = done
    for (const pid of victim.pids) process.kill(pid, 'SIGKILL')
    victim.force()
    await pause(700)
    run.stopped = true
    await lanes
    expect(done - before).to.be.greaterThan(50)
    expect(failures).to.be.at.most(4)
    await eventually('the first gateway counts as down', async () => {
      const traffic = await edgeTrafficOf(edge)
      return traffic.gateways[0].state === 'down'
    })
  })

  it('starts a relay process again that was killed', async () => {
    const origin = await echoOrigin()
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin, gateway: [middle]})
    process.kill(edge.pids[0], 'SIGKILL')
    await pause(20)
    // The listening socket lives on: this one waits for the new process.
    const client = overlay.client(listen)
    client.socket.write('hello')
    expect(await client.until(5)).to.equal('hello')
    expect((await edge.status()).restarts).to.equal(1)
  })
})
