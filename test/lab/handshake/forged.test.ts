import {expect} from 'chai'
import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

import type {GatewayPlaneStatus} from '../../../src/lib/handshake/gateway-plane.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import {connect, newSecret, overlay, Scratch, serve} from '../support/overlay.js'

const PORT = 7000
/** That of the test's server. */
const BACKLOG = 1024
const FORGER = fileURLToPath(new URL('../support/forger.mjs', import.meta.url))

/** `npm run test:forged` sends a million of each; here a sample. */
const COUNT = Number(process.env.OVERLAY_FORGED ?? 40_000)
/** Honest connections meanwhile: about as long as the forging takes. */
const HONEST = COUNT / 40

function availableMiB(): number {
  return Number(/MemAvailable:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'latin1'))![1]) / 1024
}

describe('forged SYNs and segments at a gateway', () => {
  const scratch = new Scratch()
  const keys = scratch.keyFile('keys', [{id: 1, secret: newSecret()}])
  let lab: Lab
  let address: string

  before(async () => {
    lab = await Lab.up({links: {'edge-gateway': {rttMs: 4}}}, {owned: true})
    address = lab.host('gateway').interfaces['edge-gateway']!.ipv4
    await serve(lab, 'gateway', PORT)
    await overlay(lab, 'gateway', 'gateway', 'attach', '--key-file', keys, '--listen', `${address}:${PORT}`)
    await overlay(lab, 'edge', 'edge', 'attach', '--key-file', keys, '--gateway', `${address}:${PORT}`)
  })

  after(async () => {
    await lab.down()
    scratch.remove()
  })

  const gatewayCounters = async () =>
    (
      await overlay<GatewayPlaneStatus>(
        lab,
        'gateway',
        'gateway',
        'attach',
        '--key-file',
        keys,
        '--listen',
        `${address}:${PORT}`,
      )
    ).counters
  const inState = async (state: string) =>
    Number((await lab.exec('gateway', ['sh', '-c', `ss -tnH state ${state} | wc -l`])).stdout)
  /** Connections at the gateway: whole ones, and those that wait for a handshake's end, which the backlog bounds. */
  const sockets = async () => ({established: await inState('established'), synReceived: await inState('syn-recv')})

  it(`${COUNT} of them leave no connection, and an honest load beside them is unharmed`, async () => {
    const quiet = await sockets()
    const memoryBefore = availableMiB()
    const before = await gatewayCounters()
    const prefix = address.split('.').slice(0, 3).join('.')
    const forging = lab.exec('edge', [process.execPath, FORGER, prefix, address, String(PORT), String(COUNT)], {
      timeoutMs: 600_000,
    })
    const honest = connect(lab, 'edge', {address, port: PORT, count: HONEST, parallel: 4, bytes: 2000})
    const [forged, {ok, errors}] = await Promise.all([forging, honest])
    expect(forged.stdout).to.include(`sent ${COUNT}`)
    expect(errors).to.deep.equal({})
    expect(ok).to.equal(HONEST)
    const after = await gatewayCounters()
    // A million guesses meet one of 6 numbers out of 2^32: none got in.
    expect(after.synAccepted + after.dataAccepted - before.synAccepted - before.dataAccepted).to.equal(HONEST)
    expect(after.synUnverified + after.dataUnverified + after.dataTooEarly).to.be.above(COUNT * 0.9)
    const left = await sockets()
    expect(left.established).to.be.at.most(quiet.established)
    const lost = memoryBefore - availableMiB()
    // Of the whole machine, so only a flood tells; what others do beside it is far below that.
    if (COUNT >= 1_000_000) expect(lost, 'MiB of memory').to.be.below(200)
    console.log(`      memory available: ${lost.toFixed(0)} MiB less than before`)
    expect(left.synReceived).to.be.at.most(BACKLOG + 1)
  })

  it('the kernel answers a stray segment with RST, as it does without us', async () => {
    const {stdout} = await lab.exec('gateway', ['sh', '-c', "nstat -az TcpOutRsts | awk '/TcpOutRsts/ {print $2}'"])
    expect(Number(stdout)).to.be.above(0)
  })
})
