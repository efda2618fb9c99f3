import {expect} from 'chai'
import {existsSync, readdirSync} from 'node:fs'

import {availableCongestionControls} from '../../../src/lib/handshake/congestion.js'
import type {EdgePlaneStatus} from '../../../src/lib/handshake/edge-plane.js'
import type {GatewayPlaneStatus} from '../../../src/lib/handshake/gateway-plane.js'
import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import {connect, newSecret, OVERLAY, overlay, type PeerOptions, Scratch, serve} from '../support/overlay.js'
import {apartFromBursts} from '../support/repeated.js'

const PORT = 7000
const BANNER_PORT = 7001
/** A port that neither program knows. */
const ORDINARY_PORT = 7002
const RTT = 40

/** Long enough for two retransmission timeouts of 200 ms doubled, and for a keep-alive probe after a second. */
const SOON_MS = 2500

describe('zero-RTT handshake for programs that know nothing of it', () => {
  const scratch = new Scratch()
  const secret = newSecret()
  const keys = scratch.keyFile('keys', [{id: 1, secret}])
  let lab: Lab
  let gateway: {ipv4: string; ipv6: string}
  const servers: HostProcess[] = []

  before(async () => {
    lab = await Lab.up({links: {'edge-gateway': {rttMs: RTT}}}, {owned: true})
    gateway = lab.host('gateway').interfaces['edge-gateway']!
    servers.push(await serve(lab, 'gateway', PORT), await serve(lab, 'gateway', BANNER_PORT, 'banner'))
  })

  after(async () => {
    await lab.down()
    scratch.remove()
  })

  const attachEdge = (file = keys, ports = [PORT, BANNER_PORT]) =>
    overlay<EdgePlaneStatus>(
      lab,
      'edge',
      'edge',
      'attach',
      '--key-file',
      file,
      ...ports.flatMap((port) => ['--gateway', `${gateway.ipv4}:${port}`, '--gateway', `[${gateway.ipv6}]:${port}`]),
    )
  const attachGateway = (file = keys, clockOffset = 0) =>
    overlay<GatewayPlaneStatus>(
      lab,
      'gateway',
      'gateway',
      'attach',
      '--key-file',
      file,
      `--clock-offset=${clockOffset}`,
      ...[PORT, BANNER_PORT].flatMap((port) => ['--listen', `${gateway.ipv4}:${port}`]),
    )
  const detach = (role: 'edge' | 'gateway') => overlay(lab, role, role, 'detach')
  const dial = (options: Partial<PeerOptions> = {}) =>
    connect(lab, 'edge', {address: gateway.ipv4, port: PORT, ...options})
  const rules = (towards: 'edge' | 'gateway', change: {drop?: string[]; copy?: string[]; hold?: string[]}) =>
    lab.setLink('edge-gateway', {towards, drop: [], copy: [], hold: [], ...change})

  const dialled = async (options: Partial<PeerOptions> & {count: number}) => {
    const result = await dial(options)
    expect(result.ok).to.equal(options.count)
    return result
  }

  /** Of 20 MB each way, ms. */
  const duration = async (port: number) => {
    const begin = performance.now()
    await dialled({port, count: 1, bytes: 20_000_000, timeoutMs: 60_000})
    return performance.now() - begin
  }

  /** The first connection is reset, and those of the next ten seconds are ordinary and succeed. */
  async function firstResetThenOrdinary() {
    const first = await dial({timeoutMs: SOON_MS})
    expect(first.errors).to.deep.equal({ECONNRESET: 1})
    const then = await dial({count: 5, timeoutMs: SOON_MS})
    expect(then.errors).to.deep.equal({})
    expect(then.ok).to.equal(5)
    expect(Math.min(...then.connectMs)).to.be.at.least(RTT)
    const {paths} = (await attachEdge())!
    expect(paths[0]).to.include({mismatches: 1, fallbacks: 5, ordinary: true})
  }

  describe('attached at both ends', () => {
    before(async () => {
      await attachGateway()
      await attachEdge()
    })

    after(async () => {
      await detach('edge')
      await detach('gateway')
    })

    afterEach(async () => {
      await rules('gateway', {})
      await rules('edge', {})
    })

    for (const family of ['ipv4', 'ipv6'] as const) {
      it(`${family}: connects at once and hears the first byte after one round trip`, async () => {
        await apartFromBursts(
          () => dialled({address: gateway[family], count: 10}),
          ({connectMs, firstByteMs}) => {
            // far below a round trip, with room for a busy machine; the bench shows the figure itself
            expect(Math.min(...connectMs)).to.be.below(RTT / 4)
            expect(Math.min(...firstByteMs)).to.be.within(RTT, RTT * 1.5)
          },
        )
      })

      it(`${family}: a server that speaks first`, async () => {
        await apartFromBursts(
          () => dialled({address: gateway[family], port: BANNER_PORT, banner: true, count: 5}),
          ({firstByteMs}) => expect(Math.min(...firstByteMs)).to.be.within(RTT, RTT * 1.5),
        )
      })
    }

    it('1,000 short connections, both families, no error', async () => {
      for (const address of [gateway.ipv4, gateway.ipv6]) {
        const {ok, errors} = await dial({address, count: 500, parallel: 50, bytes: 3000})
        expect(errors).to.deep.equal({})
        expect(ok).to.equal(500)
      }
    })

    it('20 MB each way', async () => {
      const {ok} = await dial({bytes: 20_000_000, timeoutMs: 60_000})
      expect(ok).to.equal(1)
    })

    const faults: {name: string; gateway?: object; edge?: object; also?: Partial<PeerOptions>}[] = [
      {name: 'SYN lost', gateway: {drop: ['syn:1']}},
      {name: 'first ACK lost', gateway: {drop: ['ack:1']}},
      {name: 'SYN and first ACK lost', gateway: {drop: ['syn#1-10', 'ack#1-10']}},
      {name: 'first data lost', gateway: {drop: ['data:1']}},
      {name: 'first two data segments lost', gateway: {drop: ['data:1-2']}, also: {bytes: 8000}},
      {name: 'real SYN/ACK lost', edge: {drop: ['synack:1']}},
      {name: 'data before SYN', gateway: {hold: ['syn:1+15']}},
      {name: 'second data segment first', gateway: {hold: ['syn:1+15', 'ack:1+15', 'data:1+15']}, also: {bytes: 8000}},
      {
        name: 'everything twice',
        gateway: {copy: ['syn:1', 'ack:1', 'data:1-3']},
        edge: {copy: ['synack:1', 'data:1-3']},
      },
      {name: 'SYN comes again later', gateway: {copy: ['syn:1'], hold: ['syn:2+100']}},
    ]
    for (const fault of faults) {
      it(`${fault.name}: no error, same bytes`, async () => {
        await rules('gateway', fault.gateway ?? {})
        await rules('edge', fault.edge ?? {})
        for (const address of [gateway.ipv4, gateway.ipv6]) {
          const {ok, errors} = await dial({address, count: 5, parallel: 5, timeoutMs: SOON_MS, ...fault.also})
          expect(errors).to.deep.equal({})
          expect(ok).to.equal(5)
        }
      })
    }

    it('server speaks first, SYN and first ACK lost: opened again by a keep-alive probe', async () => {
      await rules('gateway', {drop: ['syn#1-5', 'ack#1-5']})
      const {ok, errors, firstByteMs} = await dial({
        port: BANNER_PORT,
        banner: true,
        count: 5,
        parallel: 5,
        timeoutMs: SOON_MS,
      })
      expect(errors).to.deep.equal({})
      expect(ok).to.equal(5)
      expect(Math.min(...firstByteMs)).to.be.above(900)
    })

    it('the same tuple again while the gateway has it in TIME-WAIT', async () => {
      for (let i = 0; i < 5; i++) {
        const {ok, errors} = await dial({localPort: 30_001, timeoutMs: SOON_MS})
        expect(errors).to.deep.equal({})
        expect(ok).to.equal(1)
      }
    })

    it('path state tells RTT, losses by data, and nothing amiss', async () => {
      const {paths, counters} = await attachEdge()
      const path = paths.find((candidate) => candidate.address === gateway.ipv4 && candidate.port === PORT)!
      expect(path.rttMs!.min).to.be.within(RTT, RTT + 2)
      expect(path.confirmedByData).to.be.above(0)
      expect(path.mismatches).to.equal(0)
      expect(path.refused).to.equal(0)
      expect(path.unanswered).to.equal(0)
      expect(counters.dummyFailed).to.equal(0)
    })

    it('the gateway has learned the RTT of the edge', async () => {
      const {edges} = await attachGateway()
      expect(edges.find(({address}) => address.includes('.'))!.rttMs).to.be.within(RTT, RTT + 5)
    })

    it('bbr is not held down by the dummy: a transfer takes about as long as after an ordinary handshake', async () => {
      // With the dummy's sample kept, the same bytes take more than ten times as long: BBR holds it for ten seconds.
      servers.push(await serve(lab, 'gateway', ORDINARY_PORT))
      await apartFromBursts(
        async () => ({ordinary: await duration(ORDINARY_PORT), zeroRtt: await duration(PORT)}),
        ({ordinary, zeroRtt}) => expect(zeroRtt).to.be.below(ordinary * 3),
      )
    })
  })

  describe('at one end only, or at odds', () => {
    afterEach(async () => {
      await lab.exec('edge', [...OVERLAY, 'edge', 'detach'])
      await lab.exec('gateway', [...OVERLAY, 'gateway', 'detach'])
    })

    it('gateway without the program', async () => {
      await attachEdge(keys, [PORT])
      await firstResetThenOrdinary()
    })

    it('gateway with another secret', async () => {
      await attachGateway(scratch.keyFile('other', [{id: 1, secret: newSecret()}]))
      await attachEdge(keys, [PORT])
      await firstResetThenOrdinary()
    })

    for (const offset of [600, -600]) {
      it(`gateway's clock off by ${offset} s`, async () => {
        await attachGateway(keys, offset)
        await attachEdge(keys, [PORT])
        await firstResetThenOrdinary()
      })
    }

    for (const offset of [1, -1, 60, -60]) {
      it(`gateway's clock off by ${offset} s: zero-RTT all the same`, async () => {
        await attachGateway(keys, offset)
        await attachEdge(keys, [PORT])
        expect((await dial({count: 5})).ok).to.equal(5)
        const {paths} = await attachEdge(keys, [PORT])
        expect(paths[0]).to.include({syns: 5, confirmed: 5, mismatches: 0, fallbacks: 0})
      })
    }

    it('nobody listens: reset, then refused as ever', async () => {
      await attachEdge(keys, [7999])
      expect((await dial({port: 7999, timeoutMs: SOON_MS})).errors).to.deep.equal({ECONNRESET: 1})
      expect((await dial({port: 7999, timeoutMs: SOON_MS})).errors).to.deep.equal({ECONNREFUSED: 1})
    })

    it('only the gateway has the program: strangers connect as ever', async () => {
      await attachGateway()
      const {ok, connectMs} = await dial({count: 5})
      expect(ok).to.equal(5)
      expect(Math.min(...connectMs)).to.be.at.least(RTT)
    })

    it('rotating keys and taking over refuse nobody', async () => {
      const next = newSecret()
      const both = scratch.keyFile('both', [
        {id: 1, secret},
        {id: 2, secret: next},
      ])
      const swapped = scratch.keyFile('swapped', [
        {id: 2, secret: next},
        {id: 1, secret},
      ])
      const only = scratch.keyFile('only', [{id: 2, secret: next}])
      await attachGateway()
      await attachEdge(keys, [PORT])
      const load = dial({count: 1500, parallel: 20, gapMs: 20, timeoutMs: SOON_MS})
      for (const file of [both, swapped, only]) {
        await attachGateway(file)
        await attachEdge(file, [PORT])
      }

      const {ok, errors} = await load
      expect(errors).to.deep.equal({})
      expect(ok).to.equal(1500)
      const {paths} = await attachEdge(only, [PORT])
      const path = paths.find((candidate) => candidate.address === gateway.ipv4)!
      expect(path).to.include({syns: 1500, mismatches: 0, refused: 0, fallbacks: 0})
      expect(path.confirmed + path.confirmedByData).to.equal(1500)
    })
  })

  describe('afterwards', () => {
    it('nothing is left of it', async () => {
      for (const host of ['edge', 'gateway']) {
        const {interfaces, runDir} = lab.host(host)
        const device = interfaces['edge-gateway']!.name
        const {stdout} = await lab.exec(host, [
          'sh',
          '-c',
          `tc qdisc show dev ${device}; tc filter show dev ${device} egress; ip neigh; find ${runDir} -mindepth 1 | grep -v '^${runDir}/bpf$' | grep -v [.]debug$`,
        ])
        expect(stdout, stdout).to.not.match(/clsact|bpf|managed|handshake/)
      }

      // overlay_bbr is the whole machine's: another lab may be using it, and says so.
      const others = existsSync('/run/overlay/congestion') ? readdirSync('/run/overlay/congestion') : []
      expect(others.filter((user) => user.includes(lab.name))).to.deep.equal([])
      if (others.length === 0) expect(availableCongestionControls()).to.not.include('overlay_bbr')
    })
  })
})
