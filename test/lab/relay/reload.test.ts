import {expect} from 'chai'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {Lab} from '../../../src/lib/lab/lab.js'
import type {ReloadReport} from '../../../src/lib/relay/reload.js'
import type {EdgeTraffic} from '../../../src/lib/relay/status-report.js'
import type {InstanceStatus} from '../../../src/lib/relay/supervisor.js'
import {connect, newSecret, overlay, Scratch, serve} from '../support/overlay.js'
import {addresses, startOverlay} from '../support/pair.js'

const [FIRST, SECOND] = [7000, 7001]
const [ECHO, ADDED] = [9000, 9100]

describe('a reload with the handshake plane', function () {
  this.timeout(60_000)
  const scratch = new Scratch()
  const keyFile = scratch.keyFile('keys', [{id: 1, secret: newSecret()}])
  let lab: Lab

  before(async () => {
    lab = await Lab.up(
      {links: {'client-edge': {rttMs: 0}, 'edge-gateway': {rttMs: 20}, 'gateway-origin': {rttMs: 0}}},
      {owned: true},
    )
    await serve(lab, 'origin', ECHO)
  })

  after(async () => {
    await lab.down()
    scratch.remove()
  })

  it('opens legs to an added gateway in zero RTT, and no longer knows one that has gone', async () => {
    const at = addresses(lab)
    const service = (name: string, listen: number, gateway: number): object => ({
      name,
      listen: `${at.edge}:${listen}`,
      origin: `${at.origin}:${ECHO}`,
      gateways: [`${at.gateway}:${gateway}`],
    })
    const config = join(scratch.path, 'edge.yaml')
    const write = (...services: object[]): void =>
      writeFileSync(config, JSON.stringify({edge: {keyFile, processes: 1, services}}))
    await startOverlay(
      lab,
      'gateway',
      'gateway',
      'start',
      ...[FIRST, SECOND].map((port) => `--listen=${at.gateway}:${port}`),
      `--allow-origin=${at.origin}:${ECHO}`,
      `--key-file=${keyFile}`,
      '--processes=1',
    )
    write(service('a', ECHO, FIRST))
    await startOverlay(lab, 'edge', 'edge', 'start', `--config=${config}`)
    write(service('a', ECHO, SECOND), service('b', ADDED, SECOND))
    const {applied, restart} = await overlay<ReloadReport>(lab, 'edge', 'edge', 'reload')
    expect(restart).to.deep.equal([])
    expect(applied).to.include('edge.services.0.gateways')
    for (const port of [ECHO, ADDED]) {
      const {ok, errors} = await connect(lab, 'client', {address: at.edge, port, count: 10, parallel: 2})
      expect({ok, errors}).to.deep.equal({ok: 10, errors: {}})
    }

    const status = await overlay<InstanceStatus>(lab, 'edge', 'edge', 'status')
    expect((status.traffic as EdgeTraffic).gateways.map(({accepted}) => accepted)).to.deep.equal([
      {zeroRtt: 20, ordinary: 0},
    ])
    expect(status.handshake).to.have.property('gateways').that.has.lengthOf(1)
    expect(status.handshake).to.have.nested.property('gateways[0].port', SECOND)
  })
})
