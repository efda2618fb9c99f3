import {expect} from 'chai'
import {once} from 'node:events'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'

import {ORIGIN_PORTS, PairStage, type Letter, type Region, type StageOptions} from '../../../src/lib/failover/stage.js'
import {connect, serve, type PeerResult} from '../support/overlay.js'

const REUSED_PORT = fileURLToPath(new URL('../support/reused-port.mjs', import.meta.url))
const LAST_WORDS = fileURLToPath(new URL('../support/last-words.mjs', import.meta.url))

const BULK = {count: 8, parallel: 4, bytes: 2_000_000}
const SHORT = {count: 600, parallel: 30, bytes: 2000}

/** Of an exchange under a takeover: a client that waits for longer has lost something. */
const TIMEOUT_MS = 15_000

/** A FIN is repeated after this time, then after twice as long: the least retransmission timeout, and the link's round trip. */
const REPEATED_AFTER_MS = 201

const other = (letter: Letter): Letter => (letter === 'a' ? 'b' : 'a')

/** Runs a load again and again while something happens, and expects every connection to be whole. */
async function underLoad(
  stage: PairStage,
  load: {count: number; parallel: number; bytes: number},
  act: () => Promise<void>,
): Promise<void> {
  const state = {acting: true}
  const results: PeerResult[] = []
  const running = (async () => {
    while (state.acting)
      results.push(await connect(stage.lab, 'client', {...stage.service, ...load, timeoutMs: TIMEOUT_MS}))
  })()
  try {
    await sleep(500)
    await act()
  } finally {
    state.acting = false
    await running
  }

  for (const {errors} of results) expect(errors).to.deep.equal({})
  expect(results.reduce((sum, {ok}) => sum + ok, 0)).to.be.at.least(load.count)
}

function together(title: string, options: StageOptions, tests: (stage: () => PairStage) => void): void {
  describe(title, () => {
    let stage: PairStage

    before(async () => {
      stage = await PairStage.up(options)
      await serve(stage.lab, 'origin', ORIGIN_PORTS[0])
    })

    after(() => stage?.down())

    afterEach(function () {
      if (this.currentTest?.state === 'failed') console.log(stage.log)
      stage.log = ''
    })
    tests(() => stage)
  })
}

async function killAndRestart(stage: PairStage, region: Region): Promise<void> {
  const owner = await stage.paired(region)
  stage.signal(region, owner, 'SIGKILL')
  const pair = await stage.until(region, other(owner), 'owner', ({role}) => role === 'owner')
  expect(pair.lastTakeover).to.include({evidence: 'ended', lost: 0})
  await stage.start(region, owner)
  expect(await stage.paired(region)).to.equal(other(owner))
}

describe('a region on two servers', () => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    together(`edge and gateway, ${family}`, {pairs: ['edge', 'gateway'], family}, (stage) => {
      for (const region of ['edge', 'gateway'] as const) {
        if (family === 'ipv4') {
          it(`${region}: the owner is killed, comes back, and the other is killed: long connections`, () =>
            underLoad(stage(), BULK, async () => {
              await killAndRestart(stage(), region)
              await killAndRestart(stage(), region)
            }))
        } else {
          it(`${region}: the owner is killed while short connections begin all the time`, () =>
            underLoad(stage(), SHORT, () => killAndRestart(stage(), region)))
        }

        it(`${region}: a planned hand-over, there and back`, () =>
          underLoad(stage(), BULK, async () => {
            for (let i = 0; i < 2; i++) await stage().takeover(region, await stage().paired(region))
          }))
      }
    })
  }

  together('an edge that is paused, cut off, or loses its backup', {pairs: ['edge'], family: 'ipv4'}, (stage) => {
    it('an owner that was stopped does not speak when it goes on, and becomes the backup', () =>
      underLoad(stage(), BULK, async () => {
        const owner = await stage().paired('edge')
        stage().signal('edge', owner, 'SIGSTOP')
        const pair = await stage().until('edge', other(owner), 'owner', ({role}) => role === 'owner')
        expect(pair.lastTakeover!.evidence).to.equal('silent')
        stage().signal('edge', owner, 'SIGCONT')
        expect(await stage().paired('edge')).to.equal(other(owner))
      }))

    it('the replication link is cut and mended: one takes over, the other stands down', () =>
      underLoad(stage(), BULK, async () => {
        const owner = await stage().paired('edge')
        await stage().lab.setLink('edge-replication', {lossPercent: 100})
        await stage().until('edge', other(owner), 'owner', ({role}) => role === 'owner')
        expect((await stage().status('edge', owner)).leaseMs).to.equal(0)
        await stage().lab.setLink('edge-replication', {lossPercent: 0})
        await stage().until('edge', owner, 'backup', ({role}) => role === 'backup')
        expect(await stage().paired('edge')).to.equal(other(owner))
      }))

    it('a connection from the port of one that was carried on and has just ended is not taken for it', async () => {
      const {lab, service} = stage()
      await lab.exec('client', ['sysctl', '-qw', 'net.ipv4.tcp_tw_reuse=1'])
      const words = [process.execPath, REUSED_PORT, service.address, String(service.port), '40404']
      const client = lab.spawn('client', words, {stdio: ['pipe', 'pipe', 'inherit']})
      await once(client.child.stdout!, 'data')
      const owner = await stage().paired('edge')
      stage().signal('edge', owner, 'SIGKILL')
      await stage().until('edge', other(owner), 'owner', ({role}) => role === 'owner')
      client.child.stdin!.write('go on\n')
      const [code] = (await once(client.child, 'exit')) as [number]
      await stage().start('edge', owner)
      await stage().paired('edge')
      expect(code).to.equal(0)
    })

    it('the backup is killed: the owner goes on alone, and with it when it comes back', () =>
      underLoad(stage(), BULK, async () => {
        const owner = await stage().paired('edge')
        stage().signal('edge', other(owner), 'SIGKILL')
        await stage().until('edge', owner, 'alone', ({solo}) => solo)
        await stage().start('edge', other(owner))
        expect(await stage().paired('edge')).to.equal(owner)
      }))

    it('who has said its last while the owner was alone is acknowledged when the backup comes back', async () => {
      const {lab, service} = stage()
      const owner = await stage().paired('edge')
      stage().signal('edge', other(owner), 'SIGKILL')
      await stage().until('edge', owner, 'alone', ({solo}) => solo)
      // The kernel owes each byte its acknowledgement for up to 40 ms: of so many some last bytes are owed when gates close.
      const words = [process.execPath, LAST_WORDS, service.address, String(service.port), '300', '3000']
      const clients = lab.spawn('client', words, {stdio: ['pipe', 'pipe', 'inherit']})
      const quiet = once(clients.child.stdout!, 'data')
      await stage().start('edge', other(owner))
      expect(await stage().paired('edge')).to.equal(owner)
      await quiet
      await sleep(1000)
      const {stdout} = await lab.exec('client', ['ss', '-Htn', 'state', 'established', 'dport', `= :${service.port}`])
      const lines = stdout.trim().split('\n')
      expect(lines).to.have.length(300)
      expect(lines.filter((line) => !/^0\s+0\s/.test(line))).to.deep.equal([])
      clients.child.stdin!.end()
      await once(clients.child, 'exit')
    })

    it('what the kernel of a killed process repeats does not silence the one that follows it', async () => {
      const first = await stage().paired('edge')
      // Its FIN gets lost, so it is repeated: 0.2, 0.6, 1.4, … s later (RFC 6298 section 5.5), for a minute and more.
      await stage().lab.setLink('edge-replication', {lossPercent: 100})
      const killedAt = performance.now()
      stage().signal('edge', first, 'SIGKILL')
      await stage().until('edge', other(first), 'owner', ({role}) => role === 'owner')
      await stage().lab.setLink('edge-replication', {lossPercent: 0})
      await stage().start('edge', first)
      await stage().paired('edge')
      stage().signal('edge', other(first), 'SIGKILL')
      await stage().until('edge', first, 'owner', ({role}) => role === 'owner')
      const ownsSince = performance.now() - killedAt
      let repeatedAt = REPEATED_AFTER_MS
      while (repeatedAt < ownsSince + REPEATED_AFTER_MS) repeatedAt = 2 * repeatedAt + REPEATED_AFTER_MS
      await sleep(repeatedAt + 500 - ownsSince)
      expect((await stage().status('edge', first)).fences).to.equal(0)
      await stage().start('edge', other(first))
      expect(await stage().paired('edge')).to.equal(first)
    })

    it('the replication link loses 5 %: nobody takes over', () =>
      underLoad(stage(), BULK, async () => {
        const owner = await stage().paired('edge')
        const {takeovers} = await stage().status('edge', other(owner))
        await stage().lab.setLink('edge-replication', {lossPercent: 5})
        await sleep(4000)
        await stage().lab.setLink('edge-replication', {lossPercent: 0})
        expect((await stage().status('edge', other(owner))).takeovers).to.equal(takeovers)
        expect(await stage().paired('edge')).to.equal(owner)
      }))
  })
})
