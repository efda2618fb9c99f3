import {expect} from 'chai'
import {fileURLToPath} from 'node:url'

import {Lab} from '../../../src/lib/lab/lab.js'
import type {InstanceStatus} from '../../../src/lib/relay/supervisor.js'
import {connect, newSecret, overlay, Scratch, serve} from '../support/overlay.js'
import {startOverlay} from '../support/pair.js'

const config = (file: string): string =>
  `--config=${fileURLToPath(new URL(`../../../examples/${file}`, import.meta.url))}`

/** The files of examples/, as they are. Only the key file lies elsewhere: a flag goes before the file. */
describe('the set-ups of examples/', function () {
  this.timeout(60_000)
  const scratch = new Scratch()
  const keys = `--key-file=${scratch.keyFile('keys', [{id: 1, secret: newSecret()}])}`
  let lab: Lab | null = null

  afterEach(async () => {
    await lab?.down()
    lab = null
  })

  after(() => scratch.remove())

  const load = {count: 20, parallel: 4, bytes: 2000}

  it('one host', async () => {
    lab = await Lab.up({}, {owned: true})
    await serve(lab, 'edge', 8080)
    const file = config('one-host/overlay.yaml')
    await startOverlay(lab, 'edge', 'gateway', 'start', file, keys)
    await startOverlay(lab, 'edge', 'edge', 'start', file, keys)
    const result = await connect(lab, 'edge', {address: '127.0.0.1', port: 8443, ...load})
    expect(result).to.deep.include({ok: load.count, errors: {}})
  })

  it('two regions', async () => {
    lab = await Lab.up({links: {'edge-gateway': {rttMs: 80}}}, {owned: true})
    await serve(lab, 'origin', 9000)
    await startOverlay(lab, 'gateway', 'gateway', 'start', config('two-regions/gateway.yaml'), keys)
    await startOverlay(lab, 'edge', 'edge', 'start', config('two-regions/edge.yaml'), keys)
    const result = await connect(lab, 'client', {address: '10.77.1.21', port: 8080, ...load})
    expect(result).to.deep.include({ok: load.count, errors: {}})
    const {traffic} = await overlay<InstanceStatus>(lab, 'edge', 'edge', 'status')
    expect(traffic).to.have.nested.property('gateways[0].accepted.zeroRtt', load.count)
  })

  it('two regions with pairs, and a planned takeover under load', async () => {
    lab = await Lab.up({pairs: ['edge', 'gateway'], links: {'edge-gateway': {rttMs: 80}}}, {owned: true})
    const up = lab
    await serve(up, 'origin', 9000)
    for (const role of ['gateway', 'edge'] as const) {
      const start = (member: 'a' | 'b') =>
        startOverlay(
          up,
          `${role}-${member}`,
          role,
          'start',
          config(`two-regions-with-pairs/${role}-${member}.yaml`),
          keys,
        )
      await Promise.all([start('a'), start('b')])
    }

    const through = () => connect(up, 'client', {address: '10.77.1.20', port: 8080, ...load, timeoutMs: 20_000})
    expect(await through()).to.deep.include({ok: load.count, errors: {}})
    const loaded = through()
    const {pair} = await overlay<InstanceStatus>(up, 'edge-a', 'edge', 'status')
    await overlay(up, pair!.role === 'owner' ? 'edge-a' : 'edge-b', 'failover', 'takeover')
    expect(await loaded).to.deep.include({ok: load.count, errors: {}})
    expect(await through()).to.deep.include({ok: load.count, errors: {}})
  })
})
