import {expect} from 'chai'
import {setTimeout as sleep} from 'node:timers/promises'

import {Lab} from '../../../src/lib/lab/lab.js'
import type {Frozen} from './takeover-member.js'
import {Actor, run, setCable} from './takeover-stage.js'
import {sha256, STREAM_BYTES, stream} from './takeover-streams.mjs'

const DEVICE = 'to-client'
const FAMILIES = {
  IPv4: {address: '10.77.1.20', prefix: 24},
  IPv6: {address: 'fd77:1::20', prefix: 64},
} as const
const CLIENT = stream('client')
const SERVER = stream('server')

interface Result {
  bytes: number
  sha256: string
  error: null | string
  maxGapMs: number
}

interface Scene {
  client: Actor
  owner: Actor
}

/** What happens before the owner falls silent, and after the other has taken over. */
interface Scenario {
  name: string
  /** Bytes of each stream when all is over. */
  bytes: number
  before(scene: Scene): Promise<void>
  after(scene: Scene): Promise<void>
  /** What the record must show, so that the scenario is what it says. */
  check(frozen: Frozen): void
}

const HALF = STREAM_BYTES / 2
const CHUNK = 20_000

const SCENARIOS: Scenario[] = [
  {
    name: 'idle',
    bytes: 2 * CHUNK,
    async before({client, owner}) {
      await client.ask('send', {from: 0, to: CHUNK})
      await owner.ask('send', {from: 0, to: CHUNK})
      await owner.ask('result', {bytes: CHUNK})
      await client.ask('result', {bytes: CHUNK})
      await sleep(100) // past the last delayed ACK
    },
    async after({client, owner}) {
      await sleep(300)
      await owner.ask('send', {from: CHUNK, to: 2 * CHUNK, end: true})
      await client.ask('send', {from: CHUNK, to: 2 * CHUNK, end: true})
    },
    check({record, acknowledged, written}) {
      expect(record.state).to.equal(1)
      expect(acknowledged).to.equal(written)
    },
  },
  {
    name: 'data in flight both ways',
    bytes: STREAM_BYTES,
    async before({client, owner}) {
      await client.ask('send', {from: 0, to: STREAM_BYTES, end: true})
      await owner.ask('send', {from: 0, to: CHUNK})
      await client.ask('result', {bytes: CHUNK})
      // In flight when the cable is pulled: less than an initial congestion window.
      await owner.ask('send', {from: CHUNK, to: CHUNK + 10_000})
    },
    async after({owner}) {
      await owner.ask('send', {from: CHUNK + 10_000, to: STREAM_BYTES, end: true})
    },
    check({bySequence}) {
      expect(bySequence).to.be.within(1, STREAM_BYTES - 1)
    },
  },
  {
    name: 'the client does not read: its window is closed',
    bytes: STREAM_BYTES,
    async before({client, owner}) {
      await client.ask('read', {on: false})
      await client.ask('send', {from: 0, to: CHUNK})
      await owner.ask('send', {from: 0, to: STREAM_BYTES, end: false})
      await sleep(600)
    },
    async after({client, owner}) {
      await client.ask('read', {on: true})
      await owner.ask('send', {from: STREAM_BYTES, to: STREAM_BYTES, end: true})
      await client.ask('send', {from: CHUNK, to: STREAM_BYTES, end: true})
    },
    check({record}) {
      expect(record.window.sendWindow).to.be.below(CHUNK)
    },
  },
  {
    name: 'the owner does not read: its window is closed',
    bytes: STREAM_BYTES,
    async before({client, owner}) {
      await owner.ask('read', {on: false})
      await client.ask('send', {from: 0, to: STREAM_BYTES, end: true})
      await sleep(600)
    },
    async after({owner}) {
      await owner.ask('send', {from: 0, to: STREAM_BYTES, end: true})
    },
    check({record, bySequence}) {
      expect(bySequence).to.be.below(STREAM_BYTES)
      expect(record.window.receiveWindow).to.be.below(CHUNK)
    },
  },
  {
    name: 'half-closed by the client',
    bytes: HALF,
    async before({client, owner}) {
      await client.ask('send', {from: 0, to: HALF, end: true})
      await owner.ask('result', {bytes: HALF, end: true})
      await owner.ask('send', {from: 0, to: CHUNK})
      await client.ask('result', {bytes: CHUNK})
    },
    async after({owner}) {
      await owner.ask('send', {from: CHUNK, to: HALF, end: true})
    },
    check({record}) {
      expect(record.finReceived).to.equal(true)
    },
  },
  {
    name: 'half-closed by the owner',
    bytes: HALF,
    async before({client, owner}) {
      await owner.ask('send', {from: 0, to: HALF, end: true})
      await client.ask('result', {bytes: HALF, end: true})
      await client.ask('send', {from: 0, to: CHUNK})
      await owner.ask('result', {bytes: CHUNK})
    },
    async after({client}) {
      await client.ask('send', {from: CHUNK, to: HALF, end: true})
    },
    check({record}) {
      expect(record.finSent).to.equal(true)
    },
  },
]

describe('TCP_REPAIR', () => {
  let lab: Lab
  let client: Actor
  let members: [Actor, Actor]
  let port = 9000
  const timings: Record<string, number[]> = {}

  before(async () => {
    lab = await Lab.up({pairs: ['edge'], links: {'client-edge': {rttMs: 4}}}, {owned: true})
    client = await Actor.start(lab, 'client', 'takeover-client.mjs')
    members = [
      await Actor.start(lab, 'edge-a', 'takeover-member.ts', DEVICE),
      await Actor.start(lab, 'edge-b', 'takeover-member.ts', DEVICE),
    ]
  })

  after(async () => {
    await lab?.down()
    for (const [call, values] of Object.entries(timings)) {
      const sorted = values.sort((a, b) => a - b)
      const median = sorted[Math.floor(sorted.length / 2)]
      console.log(`      ${call}: median ${median} µs, max ${sorted.at(-1)} µs of ${sorted.length}`)
    }
  })

  const note = (values: Record<string, number>): void => {
    for (const [call, us] of Object.entries(values)) (timings[call] ??= []).push(us)
  }

  async function play(scenario: Scenario, {address, prefix}: {address: string; prefix: number}): Promise<void> {
    const [owner, next] = members
    port++
    await owner.ask('address', {address, prefix, on: true})
    await owner.ask('announce', {address})
    await owner.ask('listen', {address, port})
    await client.ask('connect', {address, port})
    await owner.answer('accepted')
    await scenario.before({client, owner})

    await setCable(lab, owner.host, 'down')
    const frozen = await owner.ask<Frozen>('freeze')
    expect(Buffer.from(frozen.received, 'base64').length, 'bytes held by their sequence numbers').to.equal(
      frozen.bySequence,
    )
    scenario.check(frozen)
    const {us, segmentBytes} = await next.ask<{us: Record<string, number>; segmentBytes: number}>('takeover', {
      frozen,
      address,
      prefix,
    })
    // TCP_MAXSEG counts timestamps by the sysctl until the first segment is sent.
    expect(segmentBytes, 'segments as large as before').to.be.at.least(frozen.segmentBytes - 12)
    const begin = performance.now()
    await owner.ask('address', {address, prefix, on: false})
    await setCable(lab, owner.host, 'up')

    await scenario.after({client, owner: next})
    const [down, up] = await Promise.all([
      client.ask<Result>('result', {bytes: scenario.bytes, end: true}),
      next.ask<Result>('result', {bytes: scenario.bytes, end: true}),
    ])
    const wanted = (bytes: Buffer) => sha256(bytes.subarray(0, scenario.bytes))
    expect([down.error, down.bytes, down.sha256]).to.deep.equal([null, scenario.bytes, wanted(SERVER)])
    expect([up.error, up.bytes, up.sha256]).to.deep.equal([null, scenario.bytes, wanted(CLIENT)])
    await client.ask('close')
    await next.ask('address', {address, prefix, on: false})
    note({read: frozen.readUs, ...us})
    console.log(
      `        ${next.host}: ${(performance.now() - begin).toFixed(0)} ms to the end, longest gap at the client ${down.maxGapMs.toFixed(0)} ms`,
    )
    members.reverse()
  }

  for (const [family, place] of Object.entries(FAMILIES)) {
    for (const timestamps of [true, false]) {
      describe(`moves a connection: ${family}, ${timestamps ? 'with' : 'without'} timestamps`, () => {
        before(async () => {
          await run(lab, 'client', ['sysctl', '-qw', `net.ipv4.tcp_timestamps=${timestamps ? 1 : 0}`])
        })

        for (const scenario of SCENARIOS) it(scenario.name, () => play(scenario, place))
      })
    }
  }
})
