import {expect} from 'chai'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {availableCongestionControls} from '../../../src/lib/handshake/congestion.js'
import {OVERLAY_BBR} from '../../../src/lib/handshake/constants.js'
import {unregisterStructOps} from '../../../src/lib/kernel/bpf-map.js'
import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import type {InstanceStatus} from '../../../src/lib/relay/supervisor.js'
import {connect, newSecret, OVERLAY, overlay, Scratch, serve} from '../support/overlay.js'
import {addresses} from '../support/pair.js'

/** Ports below 1024, so that CAP_NET_BIND_SERVICE is among what the units grant. */
const GATEWAY_PORT = 700
const EDGE_PORT = 443
const ECHO = 9000

describe('with the capabilities that the units grant, and no other', function () {
  this.timeout(60_000)
  const scratch = new Scratch()
  const keyFile = scratch.keyFile('keys', [{id: 1, secret: newSecret()}])
  let lab: Lab
  const started: HostProcess[] = []

  before(async () => {
    lab = await Lab.up(
      {links: {'client-edge': {rttMs: 0}, 'edge-gateway': {rttMs: 20}, 'gateway-origin': {rttMs: 0}}},
      {owned: true},
    )
    await serve(lab, 'origin', ECHO)
  })

  after(async () => {
    for (const {child, exited} of started) {
      child.kill('SIGTERM')
      await exited
    }

    await lab.down()
    // To take overlay_bbr off again a process needs CAP_SYS_ADMIN, which the units do not grant: docs/LIMITS.md.
    if (availableCongestionControls().includes(OVERLAY_BBR)) unregisterStructOps(OVERLAY_BBR)
    scratch.remove()
  })

  /** Started as systemd would: the bounding set and NoNewPrivileges of the unit that `service install` would write. */
  async function startAsService(role: 'edge' | 'gateway', section: object): Promise<HostProcess> {
    const config = join(scratch.path, `${role}.yaml`)
    writeFileSync(config, JSON.stringify({[role]: {keyFile, processes: 1, ...section}}))
    const {text} = await overlay<{text: string}>(lab, role, 'service', 'install', role, '--config', config, '--dry-run')
    const granted = /^CapabilityBoundingSet=(.*)$/m.exec(text)![1].split(' ')
    expect(granted).to.deep.equal(['CAP_NET_ADMIN', 'CAP_BPF', 'CAP_PERFMON', 'CAP_NET_BIND_SERVICE'])
    const bounding = ['-all', ...granted.map((name) => name.toLowerCase().replace('cap_', '+'))].join(',')
    const words = ['setpriv', `--bounding-set=${bounding}`, '--no-new-privs', ...OVERLAY, role, 'start', '--json']
    const running = lab.spawn(role, [...words, '--config', config], {stdio: ['ignore', 'pipe', 'pipe']})
    started.push(running)
    let log = ''
    running.child.stderr!.on('data', (chunk: Buffer) => {
      log += chunk.toString()
    })
    await new Promise<void>((resolve, reject) => {
      running.child.stdout!.once('data', () => resolve())
      running.exited.then(() => reject(new Error(`${role} ended: ${log}`)), reject)
    })
    return running
  }

  it('edge and gateway open zero-RTT legs on low ports', async () => {
    const at = addresses(lab)
    await startAsService('gateway', {listen: `${at.gateway}:${GATEWAY_PORT}`, allowOrigins: [`${at.origin}:${ECHO}`]})
    const service = {
      name: 'echo',
      listen: `${at.edge}:${EDGE_PORT}`,
      origin: `${at.origin}:${ECHO}`,
      gateways: [`${at.gateway}:${GATEWAY_PORT}`],
    }
    await startAsService('edge', {services: [service]})
    const {ok, errors} = await connect(lab, 'client', {address: at.edge, port: EDGE_PORT, count: 20, parallel: 4})
    expect({ok, errors}).to.deep.equal({ok: 20, errors: {}})
    const {traffic} = await overlay<InstanceStatus>(lab, 'edge', 'edge', 'status')
    expect(traffic).to.have.nested.property('gateways[0].accepted.zeroRtt', 20)
  })
})
