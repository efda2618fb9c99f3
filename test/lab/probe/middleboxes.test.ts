import {expect} from 'chai'
import {once} from 'node:events'

import type {HostProcess} from '../../../src/lib/lab/host-process.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import {targetSchema, type TargetReport} from '../../../src/lib/probe/schema.js'
import {newSecret, OVERLAY, Scratch} from '../support/overlay.js'

const PORT = 7000
const ECHO_PORT = 7009
const RTT = {'client-edge': 4, 'edge-gateway': 16}

/** A chain on the router between probe and gateway, for packets of both ways. */
const box = (hook: string, rules: string[], more: string[] = []): string =>
  ['table ip box {', ...more, 'chain box {', `type filter hook ${hook}`, ...rules, '}', '}', ''].join('\n')
const PREROUTING = 'prerouting priority -150'
const FORWARD = 'forward priority 0'

interface Case {
  name: string
  rules: string
  /** nf_conntrack_tcp_loose of the router. */
  loose?: 0 | 1
  /** Names and directions of exactly the conditions that are reported. */
  conditions: [name: string, direction: null | string][]
  verdict: string
}

const CASES: Case[] = [
  {name: 'a clean path', rules: '', conditions: [], verdict: 'zero-rtt'},
  {
    name: 'connection tracking that drops nothing',
    rules: box(FORWARD, ['ct state new counter accept']),
    conditions: [],
    verdict: 'zero-rtt',
  },
  {
    name: 'strips all options',
    rules: box(PREROUTING, [
      `tcp dport ${PORT} reset tcp option maxseg`,
      `tcp dport ${PORT} reset tcp option sack-perm`,
      `tcp dport ${PORT} reset tcp option timestamp`,
      `tcp dport ${PORT} reset tcp option window`,
    ]),
    conditions: [['options-stripped', 'outbound']],
    verdict: 'blocked',
  },
  {
    name: 'strips timestamps',
    rules: box(PREROUTING, [`tcp dport ${PORT} reset tcp option timestamp`]),
    conditions: [['timestamps-stripped', 'outbound']],
    verdict: 'blocked',
  },
  {
    name: 'rewrites sequence numbers',
    rules: box(PREROUTING, [
      `tcp dport ${PORT} tcp sequence set tcp sequence ^ 0x80000000`,
      `tcp sport ${PORT} tcp ackseq set tcp ackseq ^ 0x80000000`,
    ]),
    conditions: [['sequence-rewritten', 'outbound']],
    verdict: 'blocked',
  },
  {
    name: 'clamps the MSS both ways',
    rules: box(PREROUTING, ['tcp option maxseg size set 1300']),
    conditions: [
      ['mss-clamped', 'inbound'],
      ['mss-clamped', 'outbound'],
    ],
    verdict: 'zero-rtt',
  },
  {
    name: 'drops a SYN with a number in the ACK field',
    rules: box(PREROUTING, ['tcp flags & (syn|ack) == syn tcp ackseq != 0 drop']),
    conditions: [['syn-ack-field-dropped', null]],
    verdict: 'zero-rtt',
  },
  {
    name: 'drops data before the SYN/ACK',
    rules: box(
      PREROUTING,
      [
        `tcp sport ${PORT} tcp flags & (syn|ack) == (syn|ack) add @open { tcp dport }`,
        `tcp dport ${PORT} tcp flags & (syn|ack) == ack meta length > 80 tcp sport != @open drop`,
      ],
      ['set open { type inet_service; }'],
    ),
    conditions: [['early-data-dropped', null]],
    verdict: 'blocked',
  },
  {
    name: 'connection tracking with loose pickup that drops what is invalid',
    rules: box(FORWARD, ['ct state invalid drop']),
    loose: 1,
    conditions: [['stateful-loose', null]],
    verdict: 'blocked',
  },
  {
    name: 'connection tracking without loose pickup',
    rules: box(FORWARD, ['ct state invalid drop']),
    loose: 0,
    conditions: [['stateful-strict', null]],
    verdict: 'blocked',
  },
  {
    name: 'NAT',
    rules: [
      'table ip box {',
      'chain box {',
      'type nat hook postrouting priority 100',
      'ip daddr 10.77.2.21 masquerade',
      '}',
      '}',
      '',
    ].join('\n'),
    conditions: [['nat-source', 'outbound']],
    verdict: 'blocked',
  },
]

describe('overlay probe names what a middlebox does', () => {
  const scratch = new Scratch()
  let lab: Lab
  let gateway: HostProcess
  let keys: string

  before(async () => {
    keys = scratch.keyFile('keys', [{id: 1, secret: newSecret()}])
    lab = await Lab.up(
      {links: {'client-edge': {rttMs: RTT['client-edge']}, 'edge-gateway': {rttMs: RTT['edge-gateway']}}},
      {owned: true},
    )
    const words = ['--listen', `10.77.2.21:${PORT}`, '--allow-origin', '10.77.3.0/24:80', '--processes', '1']
    gateway = lab.spawn(
      'gateway',
      [...OVERLAY, 'gateway', 'start', ...words, '--echo', `10.77.2.21:${ECHO_PORT}`, '--key-file', keys, '--json'],
      {stdio: ['ignore', 'pipe', 'inherit']},
    )
    await once(gateway.child.stdout!, 'data')
  })

  after(async () => {
    await gateway?.stop()
    await lab?.down()
    scratch.remove()
  })

  const probe = async (...words: string[]): Promise<{code: number; report: TargetReport}> => {
    const {code, stdout} = await lab.exec('client', [
      ...OVERLAY,

      'probe',
      `10.77.2.21:${PORT}`,
      '--key-file',
      keys,
      '--count',
      '2',
      '--interval',
      '10ms',
      '--timeout',
      '250ms',
      ...words,
      '--json',
    ])
    const result = targetSchema.safeParse(JSON.parse(stdout))
    if (!result.success) throw new Error(`overlay probe exited ${code}: ${stdout}`)
    return {code, report: result.data}
  }

  for (const {name, rules, loose = 1, conditions, verdict} of CASES) {
    it(name, async () => {
      await lab.exec('edge', ['nft', 'flush', 'ruleset'])
      const made = await lab.exec('edge', ['nft', '-f', '-'], {input: rules})
      expect(made.code, made.stderr).to.equal(0)
      await lab.exec('edge', ['sysctl', '-qw', `net.netfilter.nf_conntrack_tcp_loose=${loose}`])
      const {code, report} = await probe('--variants', '--path', '--echo', `10.77.2.21:${ECHO_PORT}`)
      const found = report.conditions.map((condition) => [condition.name, condition.direction]).sort()
      const text = JSON.stringify({conditions: report.conditions, variants: report.variants}, null, 1)
      expect(found, text).to.deep.equal(conditions)
      expect(report.verdict, JSON.stringify(report.reasons)).to.equal(verdict)
      expect(code).to.equal(verdict === 'blocked' ? 3 : 0)
      expect(report.path?.map(({address}) => address)).to.deep.equal(['10.77.1.21', '10.77.2.21'])
      if (rules === '') {
        const {stdout} = await lab.exec('gateway', ['ss', '-Htan', 'state', 'connected', 'sport', '=', `:${PORT}`])
        expect(stdout, 'connections left at the gateway').to.equal('')
        const notArrived = report.variants!.filter((variant) => variant.arrived !== true)
        // The gateway gave no cookie, so none was sent.
        expect(notArrived.map((variant) => [variant.name, variant.arrived])).to.deep.equal([['fast-open-cookie', null]])
      }

      expect(report.echo?.seenAs).to.equal(name === 'NAT' ? '10.77.2.11' : '10.77.1.11')
    })
  }

  for (const [what, rules, condition] of [
    ['every size passes', '', null],
    ['a black hole for large packets', box(FORWARD, ['meta length > 1234 drop']), 'large-packets-dropped'],
    ['a smaller link, whose router says so', 'mtu', 'mtu-reduced'],
  ] as const) {
    it(`segment sizes: ${what}`, async () => {
      await lab.exec('edge', ['nft', 'flush', 'ruleset'])
      const route = (...more: string[]) => lab.exec('edge', ['ip', 'route', 'change', ...toGateway, ...more])
      const {stdout} = await lab.exec('edge', ['ip', 'route', 'show', '10.77.2.0/24'])
      const toGateway = stdout.trim().split(/\s+/)
      if (rules === 'mtu') await route('mtu', 'lock', '1234')
      else await lab.exec('edge', ['nft', '-f', '-'], {input: rules})
      try {
        const {report} = await probe('--variants')
        const accepted = condition === null ? 1500 : 1234
        const refusedBy = condition === 'mtu-reduced' ? {from: '10.77.1.21', mtu: 1234} : null
        expect(report.segmentSizes).to.deep.equal({triedBytes: 1500, acceptedBytes: accepted, refusedBy})
        expect(report.conditions.map(({name}) => name)).to.deep.equal(condition === null ? [] : [condition])
        expect(report.verdict).to.equal('zero-rtt')
      } finally {
        if (rules === 'mtu') await route()
        // What the probing host has learned of the path is not to meet the next test.
        await lab.exec('client', ['ip', 'route', 'flush', 'cache'])
      }
    })
  }

  it('SYNs that are lost: openings come about from their early data, and the report says so', async () => {
    await lab.exec('edge', ['nft', 'flush', 'ruleset'])
    // The SYNs of a run with --count 2, in order: two handshakes, then an ordinary exchange and an opening, twice.
    await lab.setLink('edge-gateway', {drop: ['syn#4', 'syn#6'], towards: 'gateway'})
    try {
      const {code, report} = await probe('--variants')
      expect(report.verdict, JSON.stringify(report.reasons)).to.equal('zero-rtt')
      expect(code).to.equal(0)
      expect(report.zeroRtt).to.deep.include({
        sent: 2,
        confirmed: 2,
        confirmedByData: 2,
        accepted: 2,
        realSynAckMs: null,
      })
      expect(report.reasons).to.include('2 of them by what came after it: the SYN, or the SYN/ACK, was lost')
      // The acknowledgement of the data needs one round trip, as it does where the SYN arrives.
      expect(report.zeroRtt!.dataAcceptedMs).to.be.within(20, 35)
      expect(report.zeroRtt!.savedMs).to.be.closeTo(20, 5)
      expect(report.variants!.find(({name}) => name === 'data-without-syn')).to.deep.include({
        answered: true,
        detail: 'the data alone made the connection',
      })
    } finally {
      await lab.setLink('edge-gateway', {drop: [], towards: 'gateway'})
    }
  })

  it('the echo refuses a probe with another key: no verdict, and the way out', async () => {
    const wrong = scratch.keyFile('wrong', [{id: 1, secret: newSecret()}])
    const words = ['probe', `10.77.2.21:${PORT}`, '--echo', `10.77.2.21:${ECHO_PORT}`, '--key-file', wrong, '--json']
    const {code, stdout} = await lab.exec('client', [...OVERLAY, ...words])
    expect(code).to.equal(4)
    const {error} = JSON.parse(stdout) as {error: {code: string; suggestions: string[]}}
    expect(error.code).to.equal('UNREACHABLE')
    expect(error.suggestions.join(' ')).to.include('key file')
  })

  it('the echo tells 1000 packets a second, and how many it kept to itself', async () => {
    // Each SYN is answered, and the answer reset: up to 15,000 packets a second.
    const flood = lab.spawn('client', ['hping3', '-q', '-S', '-p', String(PORT), '-i', 'u200', '10.77.2.21'], {
      stdio: 'ignore',
    })
    const began = performance.now()
    const {report} = await probe('--variants', '--echo', `10.77.2.21:${ECHO_PORT}`)
    const seconds = (performance.now() - began) / 1000
    await flood.stop()
    expect(report.echo!.withheld).to.be.greaterThan(0)
    // A second's worth may be saved up.
    expect(report.echo!.packets).to.be.at.most(1000 * (1 + seconds))
  })

  it('the hop where a packet is changed, as the router quotes it', async () => {
    await lab.exec('edge', ['nft', 'flush', 'ruleset'])
    // Before the router decides that the hop limit has ended: it quotes the packet changed.
    await lab.exec('edge', ['nft', '-f', '-'], {input: box(PREROUTING, ['tcp option maxseg size set 1300'])})
    const {report} = await probe('--path')
    expect(report.conditions).to.have.lengthOf(1)
    expect(report.conditions[0]).to.deep.include({
      name: 'mss-clamped',
      evidence: 'quote',
      sent: 1460,
      arrived: 1300,
      hop: {ttl: 1, address: '10.77.1.21'},
    })
  })
})
