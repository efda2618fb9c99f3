import {expect} from 'chai'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {Lab} from '../../../src/lib/lab/lab.js'
import {connect, newSecret, overlay, Scratch, serve} from '../support/overlay.js'

const RTT = 40
const ORIGIN_PORT = 9000
const GATEWAY_PORT = 7000
const EDGE_PORT = 8000

/** A relay from one port to one server, and nothing else. */
function relay(listen: number, address: string, port: number): string {
  return `global
  maxconn 1000
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen relay
  bind :::${listen} v4v6
  server next ${address}:${port}
`
}

describe('an HAProxy pair that knows nothing of overlay', () => {
  const scratch = new Scratch()
  const keys = scratch.keyFile('keys', [{id: 1, secret: newSecret()}])
  let lab: Lab
  let middle: string
  let entry: string

  before(async () => {
    lab = await Lab.up({links: {'edge-gateway': {rttMs: RTT}}}, {owned: true})
    middle = lab.host('gateway').interfaces['edge-gateway']!.ipv4
    entry = lab.host('edge').interfaces['client-edge']!.ipv4
    await serve(lab, 'origin', ORIGIN_PORT)
    const origin = lab.host('origin').interfaces['gateway-origin']!.ipv4
    for (const [host, config] of [
      ['gateway', relay(GATEWAY_PORT, origin, ORIGIN_PORT)],
      ['edge', relay(EDGE_PORT, middle, GATEWAY_PORT)],
    ]) {
      const file = join(scratch.path, `haproxy-${host}.cfg`)
      writeFileSync(file, config)
      lab.spawn(host, ['haproxy', '-db', '-f', file], {stdio: ['ignore', 'ignore', 'inherit']})
    }

    // Ready when it accepts; the origin answers through both.
    for (let attempt = 0; ; attempt++) {
      const {ok} = await connect(lab, 'client', {address: entry, port: EDGE_PORT, timeoutMs: 2000})
      if (ok === 1) break
      if (attempt === 20) throw new Error('the HAProxy pair does not relay')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })

  after(async () => {
    await lab.down()
    scratch.remove()
  })

  /**
   * Time from connect() to the first byte back through both proxies, in ms: the shortest of 40, since a busy machine can
   * only add to it.
   */
  async function firstByte(): Promise<number> {
    const {ok, firstByteMs} = await connect(lab, 'client', {address: entry, port: EDGE_PORT, count: 40})
    expect(ok).to.equal(40)
    return Math.min(...firstByteMs)
  }

  it('answers one middle-leg round trip earlier once the handshake plane is attached beside it', async () => {
    const split = await firstByte()
    await overlay(lab, 'gateway', 'gateway', 'attach', '--key-file', keys, '--listen', `${middle}:${GATEWAY_PORT}`)
    await overlay(lab, 'edge', 'edge', 'attach', '--key-file', keys, '--gateway', `${middle}:${GATEWAY_PORT}`)
    const zeroRtt = await firstByte()
    expect(split - zeroRtt).to.be.within(RTT - 3, RTT + 3)
  })

  it('relays 300 connections at once without an error', async () => {
    const {ok, errors} = await connect(lab, 'client', {
      address: entry,
      port: EDGE_PORT,
      count: 300,
      parallel: 30,
      bytes: 20_000,
    })
    expect(errors).to.deep.equal({})
    expect(ok).to.equal(300)
  })

  it('and is slow again, but whole, once it is detached', async () => {
    await overlay(lab, 'edge', 'edge', 'detach')
    await overlay(lab, 'gateway', 'gateway', 'detach')
    expect(await firstByte()).to.be.above(RTT * 2)
  })
})
