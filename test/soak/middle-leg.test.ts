import {expect} from 'chai'
import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import type {EdgePlaneStatus} from '../../src/lib/handshake/edge-plane.js'
import type {HostProcess} from '../../src/lib/lab/host-process.js'
import {Lab} from '../../src/lib/lab/lab.js'
import type {InstanceStatus} from '../../src/lib/relay/supervisor.js'
import {connect, newSecret, overlay, type PeerOptions, Scratch, serve} from '../lab/support/overlay.js'
import {addresses, startOverlay} from '../lab/support/pair.js'

const ORIGIN_PORT = 9000
const GATEWAY_PORT = 7000
const FAMILIES = ['ipv4', 'ipv6'] as const
const GIB = 1024 ** 3

/** `npm run test:soak`: what takes too long for every run. Seen in full before an issue is closed. */
describe('edge and gateway over a 20 ms middle leg, at length', () => {
  const scratch = new Scratch()
  const keys = scratch.keyFile('keys', [{id: 1, secret: newSecret()}])
  let lab: Lab
  let edge: HostProcess

  before(async () => {
    lab = await Lab.up(
      {links: {'client-edge': {rttMs: 2}, 'edge-gateway': {rttMs: 20}, 'gateway-origin': {rttMs: 1}}},
      {owned: true},
    )
    await serve(lab, 'origin', ORIGIN_PORT)
    const services = FAMILIES.map((family) => {
      const at = addresses(lab, family)
      return {
        name: family,
        listen: `${at.edge}:8000`,
        origin: `${at.origin}:${ORIGIN_PORT}`,
        gateways: [`${at.gateway}:${GATEWAY_PORT}`],
      }
    })
    const file = join(scratch.path, 'edge.yml')
    writeFileSync(file, JSON.stringify({edge: {keyFile: keys, services}}))
    await startOverlay(
      lab,
      'gateway',
      'gateway',
      'start',
      `--listen=0.0.0.0:${GATEWAY_PORT}`,
      `--listen=[::]:${GATEWAY_PORT}`,
      `--key-file=${keys}`,
      '--interface=to-edge',
      ...services.map(({origin}) => `--allow-origin=${origin}`),
    )
    edge = await startOverlay(lab, 'edge', 'edge', 'start', `--config=${file}`)
  })

  after(async () => {
    await lab.down()
    scratch.remove()
  })

  const dial = (family: 'ipv4' | 'ipv6', options: Partial<PeerOptions>) =>
    connect(lab, 'client', {
      address: lab.host('edge').interfaces['client-edge']![family],
      port: 8000,
      timeoutMs: 60_000,
      ...options,
    })

  /** Resident memory of the edge's relay processes in KiB, and their open descriptors. */
  async function resources() {
    const status = await overlay<InstanceStatus & {handshake: EdgePlaneStatus}>(lab, 'edge', 'edge', 'status')
    let kib = 0
    let descriptors = 0
    for (const {pid} of status.processes) {
      kib += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1])
      descriptors += Number((await lab.exec('edge', ['sh', '-c', `ls /proc/${pid}/fd | wc -l`])).stdout)
    }

    return {kib, descriptors, status}
  }

  for (const family of FAMILIES) {
    it(`${family}: 10,000 short connections, no error, memory and descriptors flat`, async () => {
      const warm = await dial(family, {count: 1000, parallel: 50, bytes: 2000})
      expect(warm.errors).to.deep.equal({})
      const before = await resources()
      const {ok, errors} = await dial(family, {count: 10_000, parallel: 50, bytes: 2000})
      expect(errors).to.deep.equal({})
      expect(ok).to.equal(10_000)
      const after = await resources()
      console.log(
        `      relay processes: ${before.kib} → ${after.kib} KiB, ${before.descriptors} → ${after.descriptors} descriptors`,
      )
      // health checks come and go: one a process and gateway
      expect(after.descriptors).to.be.at.most(before.descriptors + after.status.processes.length * FAMILIES.length)
      expect(after.kib).to.be.below(before.kib + 20_000)
      const path = after.status.handshake.paths.find(
        (candidate) => candidate.address.includes(':') === (family === 'ipv6'),
      )!
      expect(path.mismatches + path.refused).to.equal(0)
    })

    it(`${family}: 1 GiB each way, equal checksums`, async () => {
      const begin = Date.now()
      const {ok, errors} = await dial(family, {bytes: GIB, timeoutMs: 600_000})
      expect(errors).to.deep.equal({})
      expect(ok).to.equal(1)
      console.log(`      took ${((Date.now() - begin) / 1000).toFixed(0)} s`)
    })
  }

  it('the edge drains and leaves nothing', async () => {
    expect((await edge.stop()).code).to.equal(0)
    const {stdout} = await lab.exec('edge', ['tc', 'qdisc', 'show', 'dev', 'to-gateway'])
    expect(stdout).to.not.include('clsact')
  })
})
