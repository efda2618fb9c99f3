import {expect} from 'chai'
import {readdirSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {setTimeout as sleep} from 'node:timers/promises'

import {overlayCommand} from '../../../src/lib/cli/node-entry.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import {LOAD_PORT, scratch, startLoad} from '../support/lab-tools.js'
import {replayResultSchema} from '../../../src/lib/replay/report/schema.js'

const ORIGIN = 'require("node:http").createServer((_, answer) => answer.end("hello")).listen(80)'
/** Of the three links together, as configured below. */
const RTT_MS = 46
/** The machine's own part: timers and scheduling of a busy one. */
const SLACK_MS = 30

describe('overlay replay --capture', () => {
  let lab: Lab

  before(async () => {
    lab = await Lab.up(
      {links: {'client-edge': {rttMs: 5}, 'edge-gateway': {rttMs: 40}, 'gateway-origin': {rttMs: 1}}},
      {owned: true},
    )
  })

  after(() => lab.down())

  it('takes the traffic of an interface for a time, and leaves no file', async () => {
    const origin = lab.spawn('origin', [process.execPath, '-e', ORIGIN])
    const state = {over: false}
    const words = overlayCommand('replay', '--capture', 'to-edge', '--duration', '3s', '--json')
    const replaying = lab.exec('client', words, {timeoutMs: 60_000}).finally(() => {
      state.over = true
    })
    while (!state.over) {
      await lab.exec('client', ['curl', '-s', '-m', '2', 'http://10.77.3.21/'], {timeoutMs: 5000})
      await sleep(100)
    }

    const {code, stdout, stderr} = await replaying
    await origin.stop()
    expect(code, stderr + stdout).to.equal(0)
    const result = replayResultSchema.parse(JSON.parse(stdout))
    expect(result.sources[0].source).to.equal('interface to-edge')
    const rtts = result.connections.flatMap(({handshakeRttMs, server}) =>
      server === '10.77.3.21:80' && handshakeRttMs !== null ? [handshakeRttMs] : [],
    )
    expect(rtts.length).to.be.above(2)
    // Never earlier; a busy machine may delay one.
    for (const rtt of rtts) expect(rtt).to.be.at.least(RTT_MS)
    expect(Math.min(...rtts)).to.be.at.most(RTT_MS + SLACK_MS)
    expect(result.connections.some(({vantage}) => vantage === 'near-client')).to.equal(true)
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('overlay-replay-'))).to.deep.equal([])
  })

  it('lets nothing through that came before its filter was set', async () => {
    const files = scratch()
    const load = startLoad(lab, 'client', '10.77.1.21', {packets: 1_000_000, perSecond: 20_000})
    try {
      const packets = async (filter: string): Promise<number> => {
        const capture = await lab.capture('client', 'client-edge', files.path('load.pcap'), {filter})
        return (await capture.stop()).packets
      }

      const loaded = async (): Promise<boolean> => (await packets(`udp port ${LOAD_PORT}`)) > 100
      for (let tries = 0; tries < 10 && !(await loaded()); tries++) await sleep(200)
      for (let count = 0; count < 5; count++) expect(await packets('tcp')).to.equal(0)
      expect(await loaded()).to.equal(true)
    } finally {
      await load.stop()
      files.remove()
    }
  })
})
