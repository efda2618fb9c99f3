import {expect} from 'chai'
import {createHash, randomBytes} from 'node:crypto'
import {once} from 'node:events'
import type {Socket} from 'node:net'

import type {Supervisor} from '../../../src/lib/relay/supervisor.js'
import {
  LONG,
  Overlay,
  descriptorsOf,
  edgeTrafficOf,
  eventually,
  freeAddress,
  gatewayTrafficOf,
  pause,
  residentOf,
} from './harness.js'

const CONNECTIONS = LONG ? 10_000 : 2000

/** What the origin of these tests does with a connection; each test sets it. */
type Serve = (socket: Socket) => void

for (const host of ['127.0.0.1', '::1']) {
  describe(`a connection through edge and gateway on ${host}`, () => {
    let overlay: Overlay
    let edge: Supervisor
    let gateway: Supervisor
    let listen: string
    let serve: Serve

    before(async () => {
      overlay = new Overlay()
      const origin = await overlay.origin((socket) => serve(socket), host)
      const middle = freeAddress(host)
      listen = freeAddress(host)
      gateway = await overlay.gateway('g', middle)
      edge = await overlay.edge('e', {listen, origin, gateway: [middle]})
    })

    after(() => overlay.close())

    it('carries bytes both ways', async () => {
      serve = (socket) => socket.pipe(socket)
      const client = overlay.client(listen)
      client.socket.write('hello')
      expect(await client.until(5)).to.equal('hello')
      client.socket.write(' again')
      expect(await client.until(11)).to.equal('hello again')
      client.socket.end()
      await client.untilEnd()
      expect(client.error).to.equal(undefined)
    })

    it('lets the server speak first to a silent client', async () => {
      serve = (socket) => {
        socket.write('220 ready\r\n')
        socket.on('end', () => socket.end()).resume()
      }

      const client = overlay.client(listen)
      expect(await client.until(11)).to.equal('220 ready\r\n')
      client.socket.end()
      await client.closed
    })

    it('passes the client FIN on and keeps the way back open', async () => {
      serve = (socket) => {
        let length = 0
        socket.on('data', (bytes) => {
          length += bytes.length
        })
        socket.on('end', () => setTimeout(() => socket.end(`got ${length}`), 100))
      }

      const client = overlay.client(listen)
      client.socket.end('abc')
      expect(await client.untilEnd()).to.equal('got 3')
      expect(client.error).to.equal(undefined)
    })

    it('passes the origin FIN on and keeps the way there open', async () => {
      let received = ''
      let ended = false
      serve = (socket) => {
        socket.end('bye')
        socket.on('data', (bytes) => {
          received += bytes.toString()
        })
        socket.on('end', () => {
          ended = true
        })
      }

      const client = overlay.client(listen)
      expect(await client.untilEnd()).to.equal('bye')
      await pause(50)
      client.socket.end('still here')
      await eventually('the origin has read to the end', () => ended)
      expect(received).to.equal('still here')
    })

    it('ends in order when nobody says a word', async () => {
      serve = (socket) => socket.on('end', () => socket.end()).resume()
      const client = overlay.client(listen)
      client.socket.end()
      expect(await client.untilEnd()).to.equal('')
      expect(client.error).to.equal(undefined)
    })

    it('passes an RST of the origin on, before and after its first byte', async () => {
      for (const first of ['', 'some bytes']) {
        serve = (socket) => {
          if (first !== '') socket.write(first)
          setTimeout(() => socket.resetAndDestroy(), 100)
          socket.resume()
        }

        const client = overlay.client(listen)
        client.socket.write('x')
        await client.closed
        expect(client.received.toString()).to.equal(first)
        expect(client.error).to.equal('ECONNRESET')
      }
    })

    it('passes an RST of the client on', async () => {
      let error: string | undefined
      serve = (socket) => {
        socket.on('error', (reason: NodeJS.ErrnoException) => {
          error = reason.code
        })
        socket.resume()
      }

      const client = overlay.client(listen)
      client.socket.write('x')
      await pause(150)
      client.socket.resetAndDestroy()
      await eventually('the origin sees an RST', () => error === 'ECONNRESET')
    })

    for (const size of [100, 4096, 65_536, 300_000, LONG ? 1024 ** 3 : 8 * 1024 ** 2]) {
      it(`carries ${size} bytes each way unchanged`, async () => {
        serve = (socket) => socket.pipe(socket)
        const client = overlay.client(listen)
        const received = createHash('sha256')
        let length = 0
        client.socket.removeAllListeners('data')
        client.socket.on('data', (part: Buffer) => {
          received.update(part)
          length += part.length
        })
        const sent = createHash('sha256')
        const block = randomBytes(Math.min(size, 1024 ** 2))
        for (let at = 0; at < size; at += block.length) {
          const part = block.subarray(0, size - at)
          // No two blocks are the same.
          part.writeUInt32BE(at / block.length)
          const copy = Buffer.from(part)
          sent.update(copy)
          if (!client.socket.write(copy)) await once(client.socket, 'drain')
        }

        client.socket.end()
        await client.untilEnd()
        expect(length).to.equal(size)
        expect(received.digest('hex')).to.equal(sent.digest('hex'))
      }).timeout(LONG ? 120_000 : 20_000)
    }

    it('carries an upload whose answer comes at the end', async () => {
      serve = (socket) => {
        let length = 0
        socket.on('data', (bytes) => {
          length += bytes.length
        })
        socket.on('end', () => socket.end(String(length)))
      }

      const client = overlay.client(listen)
      client.socket.end(randomBytes(4 * 1024 * 1024))
      expect(await client.untilEnd()).to.equal(String(4 * 1024 * 1024))
    })

    it('holds a fast sender back while the reader sleeps, in bounded memory', async () => {
      const total = 200 * 1024 * 1024
      let readBytes = 0
      serve = (socket) => {
        socket.pause()
        setTimeout(() => socket.resume(), 1200)
        socket.on('data', (bytes) => {
          readBytes += bytes.length
        })
        socket.on('end', () => socket.end(String(readBytes)))
      }

      const pids = [...edge.pids, ...gateway.pids]
      const before = pids.map((pid) => residentOf(pid))
      const client = overlay.client(listen)
      const chunk = Buffer.alloc(1024 * 1024)
      let sent = 0
      const push = (): void => {
        while (sent < total) {
          sent += chunk.length
          if (!client.socket.write(chunk)) {
            client.socket.once('drain', push)
            return
          }
        }

        client.socket.end()
      }

      push()
      await pause(1000)
      expect(sent).to.be.lessThan(total / 2)
      const growth = pids.map((pid, index) => residentOf(pid) - before[index])
      expect(Math.max(...growth)).to.be.lessThan(16 * 1024)
      expect(await client.untilEnd()).to.equal(String(total))
    }).timeout(40_000)

    it(`serves ${CONNECTIONS} connections and leaks no descriptor`, async () => {
      serve = (socket) => socket.pipe(socket)
      const pids = [...edge.pids, ...gateway.pids]
      const one = async (): Promise<void> => {
        const client = overlay.client(listen)
        client.socket.write('ping')
        await client.until(4)
        if (client.received.toString() !== 'ping') throw new Error(`got "${client.received}" (${client.error})`)
        client.socket.end()
        await client.closed
      }

      await settled(edge)
      const before = pids.map((pid) => descriptorsOf(pid))
      const lane = async (): Promise<void> => {
        for (let i = 0; i < CONNECTIONS / 16; i++) await one()
      }

      await Promise.all(Array.from({length: 16}, lane))
      await settled(edge)
      await settled(gateway)
      // Health checks come and go.
      for (const [index, pid] of pids.entries())
        expect(descriptorsOf(pid)).to.be.within(before[index] - 2, before[index] + 2)
    }).timeout(LONG ? 120_000 : 40_000)

    it('counts what it has done', async () => {
      await settled(edge)
      const atEdge = await edgeTrafficOf(edge)
      const atGateway = await gatewayTrafficOf(gateway)
      expect(atEdge.connections.accepted).to.be.greaterThan(CONNECTIONS)
      expect(atEdge.gaveUp).to.equal(0)
      expect(atEdge.redials).to.deep.equal({})
      expect(atEdge.gateways[0].failures).to.deep.equal({})
      expect(atEdge.gateways[0].state).to.equal('up')
      expect(atEdge.gateways[0].accepted.ordinary).to.equal(atEdge.connections.accepted)
      expect(atGateway.unauthenticated).to.deep.equal({})
      expect(atGateway.refused).to.deep.equal({})
      // The first health check registered the edge: no client had to answer a challenge.
      expect(atGateway.challenges).to.equal(1)
      expect(atGateway.edges).to.equal(1)
    })
  })
}

async function settled(supervisor: Supervisor): Promise<void> {
  await eventually('no connection is open', async () => (await supervisor.status()).traffic.connections.live === 0)
}
