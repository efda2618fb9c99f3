import {expect} from 'chai'
import {once} from 'node:events'

import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'
import {captureBothEnds, segments} from '../support/lab-tools.js'

type Segments = ReturnType<typeof segments>

const {ACK, SYN} = TcpFlag
const syns = (list: Segments): Segments => list.filter(({flags}) => (flags & (SYN | ACK)) === SYN)
const synAcks = (list: Segments): Segments => list.filter(({flags}) => (flags & (SYN | ACK)) === (SYN | ACK))
const data = (list: Segments, towards: string): Segments =>
  list.filter(({destination, payloadLength}) => destination === towards && payloadLength > 0)

const ECHO = `require('node:net').createServer((socket) => socket.on('data', (chunk) => socket.end(chunk)))
  .listen(7000, () => console.log('ready'))`
const EXCHANGE = `const socket = require('node:net').connect(7000, process.argv[1], () => socket.write('ping'))
  socket.resume().on('error', (error) => { console.error(error.code); process.exit(1) })`

describe('rules for chosen packets', () => {
  let lab: Lab
  let server: HostProcess

  before(async () => {
    lab = await Lab.up({links: {'edge-gateway': {rttMs: 10}}}, {owned: true})
    server = lab.spawn('gateway', [process.execPath, '-e', ECHO])
    await once(server.child.stdout!, 'data')
  })

  after(() => lab?.down())

  async function exchange(address = '10.77.2.21'): Promise<{edge: Segments; gateway: Segments}> {
    const {near, far} = await captureBothEnds(lab, ['edge', 'gateway'], 'edge-gateway', 'tcp port 7000', async () => {
      const {code, stderr} = await lab.exec('edge', [process.execPath, '-e', EXCHANGE, address])
      expect(code, stderr).to.equal(0)
    })
    return {edge: segments(near), gateway: segments(far)}
  }

  it('hit the packet of each kind in every new flow, and no other', async () => {
    await lab.setLink('edge-gateway', {towards: 'gateway', drop: ['syn:1', 'data:1']})
    await lab.setLink('edge-gateway', {towards: 'edge', copy: ['synack:1']})
    for (let flow = 0; flow < 2; flow++) {
      const {edge, gateway} = await exchange()
      expect([syns(edge).length, syns(gateway).length], 'SYNs sent and arrived').to.deep.equal([2, 1])
      expect([synAcks(gateway).length, synAcks(edge).length], 'SYN/ACKs sent and arrived').to.deep.equal([1, 2])
      const [sent, arrived] = [data(edge, '10.77.2.21'), data(gateway, '10.77.2.21')]
      expect(sent.length - arrived.length, 'data segments lost').to.equal(1)
      expect(arrived[0].sequence).to.equal(sent[0].sequence)
    }

    const stats = await lab.linkStats('edge-gateway')
    expect(stats.towards.gateway.droppedByRule).to.equal(4)
    expect(stats.towards.edge.duplicated).to.equal(2)
  })

  it('hold a chosen packet back, and are gone when they are cleared', async () => {
    await lab.setLink('edge-gateway', {drop: [], copy: [], hold: ['data:1+30']})
    const held: number[] = []
    for (let i = 0; i < 3; i++) {
      const {edge, gateway} = await exchange()
      expect(syns(edge)).to.have.lengthOf(1)
      const [sent, arrived] = [data(edge, '10.77.2.21')[0], data(gateway, '10.77.2.21')]
      held.push(Math.max(...arrived.map(({timeMs}) => timeMs - sent.timeMs)))
      expect(held[i]).to.be.at.least(35)
    }

    // A machine that wakes its programs late makes a packet later, and never one earlier.
    expect(Math.min(...held)).to.be.at.most(36)

    await lab.setLink('edge-gateway', {hold: []})
    const clean = await exchange()
    expect(clean.edge.length).to.equal(clean.gateway.length)
  })

  it('drop by number over all flows with #, of IPv6 too', async () => {
    await lab.setLink('edge-gateway', {towards: 'gateway', drop: ['syn#2']})
    expect(syns((await exchange('fd77:2::21')).edge)).to.have.lengthOf(1)
    expect(syns((await exchange('fd77:2::21')).edge)).to.have.lengthOf(2)
    expect(syns((await exchange('fd77:2::21')).edge)).to.have.lengthOf(1)
  })
})
