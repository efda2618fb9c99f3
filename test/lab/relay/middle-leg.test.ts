import {expect} from 'chai'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'

import type {EdgePlaneStatus} from '../../../src/lib/handshake/edge-plane.js'
import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import type {InstanceStatus} from '../../../src/lib/relay/supervisor.js'
import {connect, newSecret, OVERLAY, overlay, type PeerOptions, Scratch, serve} from '../support/overlay.js'
import {addresses, startOverlay} from '../support/pair.js'
import {apartFromBursts} from '../support/repeated.js'

const RTT = 40
const GATEWAY_PORT = 7000
/** At the origin; the edge listens on the same ports. */
const ECHO = 9000
const BANNER = 9001
const FAMILIES = ['ipv4', 'ipv6'] as const
type Family = (typeof FAMILIES)[number]

describe('a connection through edge and gateway, the middle leg at fault', function () {
  this.timeout(180_000)
  const scratch = new Scratch()
  const secret = newSecret()
  const keys = scratch.keyFile('keys', [{id: 1, secret}])
  let lab: Lab

  before(async () => {
    lab = await Lab.up(
      {links: {'client-edge': {rttMs: 0}, 'edge-gateway': {rttMs: RTT}, 'gateway-origin': {rttMs: 0}}},
      {owned: true},
    )
    await serve(lab, 'origin', ECHO)
    await serve(lab, 'origin', BANNER, 'banner')
  })

  after(async () => {
    await lab.down()
    scratch.remove()
  })

  function startGateway(words: string[] = [], file = keys): Promise<HostProcess> {
    const origins = FAMILIES.map((family) => `--allow-origin=${addresses(lab, family).origin}:${ECHO}-${BANNER}`)
    return startOverlay(
      lab,
      'gateway',
      'gateway',
      'start',
      `--listen=0.0.0.0:${GATEWAY_PORT}`,
      `--listen=[::]:${GATEWAY_PORT}`,
      `--key-file=${file}`,
      '--interface=to-edge',
      '--processes=1',
      ...origins,
      ...words,
    )
  }

  /** An edge with a service for each family and kind of origin. */
  function startEdge(words: string[] = [], gatewayPorts = [GATEWAY_PORT]): Promise<HostProcess> {
    const services = FAMILIES.flatMap((family) => {
      const at = addresses(lab, family)
      return [ECHO, BANNER].map((port) => ({
        name: `${family}-${port}`,
        listen: `${at.edge}:${port}`,
        origin: `${at.origin}:${port}`,
        gateways: gatewayPorts.map((gatewayPort) => `${at.gateway}:${gatewayPort}`),
      }))
    })
    const file = join(scratch.path, 'edge.yml')
    writeFileSync(file, JSON.stringify({edge: {keyFile: keys, processes: 1, services}}))
    return startOverlay(lab, 'edge', 'edge', 'start', `--config=${file}`, ...words)
  }

  const dial = (family: Family, options: Partial<PeerOptions> = {}) =>
    connect(lab, 'client', {
      address: lab.host('edge').interfaces['client-edge']![family],
      port: options.banner ? BANNER : ECHO,
      ...options,
    })
  const rules = (towards: 'edge' | 'gateway', change: {drop?: string[]; copy?: string[]; hold?: string[]}) =>
    lab.setLink('edge-gateway', {towards, drop: [], copy: [], hold: [], ...change})
  const status = () => overlay<InstanceStatus & {handshake: EdgePlaneStatus}>(lab, 'edge', 'edge', 'status')

  /** Runs `connections` through both families and both kinds of origin; every byte must come back. */
  async function allWell(connections: Partial<PeerOptions> = {}) {
    for (const family of FAMILIES) {
      for (const banner of [false, true]) {
        const options = {banner, count: 4, parallel: 4, ...connections}
        const {ok, errors} = await dial(family, options)
        expect(errors, `${family}${banner ? ', server first' : ''}`).to.deep.equal({})
        expect(ok).to.equal(options.count)
      }
    }
  }

  describe('both ends sound', () => {
    let gateway: HostProcess
    let edge: HostProcess

    before(async () => {
      gateway = await startGateway()
      edge = await startEdge()
    })

    after(async () => {
      await edge.stop()
      await gateway.stop()
    })

    afterEach(async () => {
      await rules('gateway', {})
      await rules('edge', {})
    })

    it('needs one middle-leg round trip, whether the client speaks first or the server', async () => {
      await allWell()
      for (const banner of [false, true]) {
        await apartFromBursts(
          () => dial('ipv4', {banner, count: 10}),
          ({firstByteMs}) => expect(Math.min(...firstByteMs)).to.be.within(RTT, RTT * 1.6),
        )
      }

      const {handshake} = await status()
      expect(handshake.paths.every((path) => path.mismatches === 0 && path.refused === 0)).to.equal(true)
    })

    const faults: {name: string; gateway?: object; edge?: object}[] = [
      {name: 'SYN lost', gateway: {drop: ['syn:1']}},
      {name: 'SYN and first ACK lost', gateway: {drop: ['syn#1-4', 'ack#1-4']}},
      {name: 'first data lost', gateway: {drop: ['data:1']}},
      {name: 'real SYN/ACK lost', edge: {drop: ['synack:1']}},
      {name: 'data before SYN', gateway: {hold: ['syn:1+15']}},
      {
        name: 'everything twice',
        gateway: {copy: ['syn:1', 'ack:1', 'data:1-3']},
        edge: {copy: ['synack:1', 'data:1-3']},
      },
    ]
    for (const fault of faults) {
      it(`${fault.name}: no error, same bytes`, async () => {
        await rules('gateway', fault.gateway ?? {})
        await rules('edge', fault.edge ?? {})
        await allWell({timeoutMs: 5000, bytes: 20_000})
      })
    }

    it('2 % of everything lost, reordered and duplicated', async () => {
      await lab.setLink('edge-gateway', {lossPercent: 2, duplicatePercent: 2, reorderPercent: 2, reorderDelayMs: 5})
      await allWell({count: 30, parallel: 10, bytes: 30_000, timeoutMs: 30_000})
      await lab.setLink('edge-gateway', {lossPercent: 0, duplicatePercent: 0, reorderPercent: 0})
    })
  })

  describe('one end amiss', () => {
    const running: HostProcess[] = []

    afterEach(async () => {
      for (const process of running.splice(0).reverse()) await process.stop()
    })

    const cases: {name: string; gateway: () => Promise<HostProcess>}[] = [
      {name: 'gateway without the program', gateway: () => startGateway(['--no-zero-rtt'])},
      {name: "gateway's clock 1 s ahead", gateway: () => startGateway(['--clock-offset=1'])},
      {name: "gateway's clock 60 s behind", gateway: () => startGateway(['--clock-offset=-60'])},
      {name: "gateway's clock 600 s ahead", gateway: () => startGateway(['--clock-offset=600'])},
      {name: "gateway's clock 600 s behind", gateway: () => startGateway(['--clock-offset=-600'])},
    ]
    for (const {name, gateway} of cases) {
      it(`${name}: no client sees an error`, async () => {
        running.push(await gateway(), await startEdge())
        await allWell({count: 8, parallel: 4, timeoutMs: 5000})
      })
    }

    it('first gateway not listening: the second serves, no client sees an error', async () => {
      running.push(await startGateway(), await startEdge([], [GATEWAY_PORT + 1, GATEWAY_PORT]))
      await allWell({count: 8, parallel: 4, timeoutMs: 5000})
    })

    it('keys that the gateway does not have: refused at once, and nothing hangs', async () => {
      running.push(await startGateway([], scratch.keyFile('other', [{id: 1, secret: newSecret()}])), await startEdge())
      const {ok, errors} = await dial('ipv4', {count: 4, parallel: 4, timeoutMs: 5000})
      expect(ok).to.equal(0)
      expect(errors).to.deep.equal({ECONNRESET: 4})
    })

    it('rotating keys by SIGHUP under load: no client sees an error', async () => {
      const next = newSecret()
      const gateway = await startGateway()
      const edge = await startEdge()
      running.push(gateway, edge)
      const load = dial('ipv4', {count: 600, parallel: 10, gapMs: 20, timeoutMs: 5000})
      for (const lines of [
        [
          {id: 1, secret},
          {id: 2, secret: next},
        ],
        [
          {id: 2, secret: next},
          {id: 1, secret},
        ],
        [{id: 2, secret: next}],
      ]) {
        scratch.keyFile('keys', lines)
        for (const process of [gateway, edge]) process.child.kill('SIGHUP')
        await new Promise((resolve) => setTimeout(resolve, 400))
      }

      const {ok, errors} = await load
      scratch.keyFile('keys', [{id: 1, secret}])
      expect(errors).to.deep.equal({})
      expect(ok).to.equal(600)
    })

    it('edge killed and started again: takes over what is attached, detaches it in the end', async () => {
      const killed = await startEdge()
      running.push(await startGateway())
      await killed.stop('SIGKILL')
      const attached = await lab.exec('edge', ['tc', 'filter', 'show', 'dev', 'to-gateway', 'egress'])
      expect(attached.stdout).to.include('edge_egress')
      const again = await startEdge()
      await allWell()
      await again.stop()
      const {stdout} = await lab.exec('edge', ['sh', '-c', 'tc qdisc show dev to-gateway; ls $OVERLAY_RUN_DIR/edge'])
      expect(stdout).to.not.match(/clsact|default/)
    })

    it('gateway killed in mid-transfer: the client is reset, and the next one is served by another', async () => {
      const first = await startGateway()
      const second = await startOverlay(
        lab,
        'gateway',
        'gateway',
        'start',
        '--name=second',
        `--listen=0.0.0.0:${GATEWAY_PORT + 1}`,
        `--key-file=${keys}`,
        '--processes=1',
        '--no-zero-rtt',
        `--allow-origin=${addresses(lab).origin}:${ECHO}`,
      )
      running.push(second, await startEdge([], [GATEWAY_PORT, GATEWAY_PORT + 1]))
      await lab.setLink('edge-gateway', {rateMbit: 50})
      const bulk = dial('ipv4', {bytes: 20_000_000, timeoutMs: 20_000})
      await new Promise((resolve) => setTimeout(resolve, 1500))
      await first.stop('SIGKILL')
      const {errors} = await bulk
      await lab.setLink('edge-gateway', {rateMbit: 0})
      expect(Object.keys(errors)).to.have.length(1)
      const {ok} = await dial('ipv4', {count: 8, parallel: 4, timeoutMs: 5000})
      expect(ok).to.equal(8)
      await lab.exec('gateway', [...OVERLAY, 'gateway', 'detach'])
    })
  })
})
