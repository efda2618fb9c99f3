import {expect} from 'chai'
import {execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {analyse} from '../../../../src/lib/replay/analysis/analyse.js'
import {exchange, LINUX_OPTIONS, pcapOfSegments, SERVER_PORT, type Crafted} from '../../capture/crafted.js'

const data = (bytes: number): Buffer => Buffer.alloc(bytes, 'x')
const syn = (at: number, more: Partial<Crafted> = {}): Crafted => ({at, flags: 'S', options: LINUX_OPTIONS, ...more})
const synAck = (at: number, more: Partial<Crafted> = {}): Crafted => ({
  at,
  from: 'server',
  flags: 'SA',
  ack: 1,
  options: LINUX_OPTIONS,
  ...more,
})
const ack = (at: number, more: Partial<Crafted> = {}): Crafted => ({at, flags: 'A', seq: 1, ack: 1, ...more})

const CASES: Record<string, Crafted[]> = {
  'an ordinary exchange': exchange(),
  'a SYN that is sent again': [syn(0), syn(1000), syn(3000), synAck(3040), ack(3040.1)],
  'a SYN that is sent again though it was answered': [syn(0), synAck(1010), syn(1000.5), ack(1050)],
  'a SYN/ACK that is sent again': [syn(0), synAck(30), synAck(1030), ack(1040)],
  'a SYN that nobody answers': [syn(0), syn(1000), syn(3000)],
  'a SYN that an RST answers': [syn(0), {at: 25, from: 'server', flags: 'RA', ack: 1}],
  'an RST after the SYN/ACK': [syn(0), synAck(20), {at: 20.1, flags: 'R', seq: 1}],
  'a handshake whose SYN/ACK is missing': [syn(0), ack(33), {...ack(34), flags: 'PA', payload: data(10)}],
  'a handshake whose ACK is missing': [syn(0), synAck(20), {...ack(21), flags: 'PA', payload: data(10)}],
  'a handshake whose SYN is missing': [synAck(0), ack(1), {...ack(2), flags: 'PA', payload: data(10)}],
  'a SYN/ACK that was captured before its SYN': [synAck(0), syn(0.01), ack(20)],
  'an ACK that was captured before the SYN/ACK': [syn(0), ack(20), synAck(20.01)],
  'packets that were captured twice': exchange().flatMap((one) => [one, {...one, at: one.at + 0.005}]),
  'both sides sending a SYN': [
    syn(0),
    syn(5, {from: 'server'}),
    {at: 30, flags: 'SA', ack: 1, options: LINUX_OPTIONS},
    synAck(31),
    ack(45),
  ],
  'sequence numbers that wrap': exchange(0, {clientIsn: 0xfffffffa, serverIsn: 0xffffffff}),
  'ports that are used again': [...exchange(), ...exchange(5000, {clientIsn: 70_000, serverIsn: 80_000})],
  'ports that are used again with the same number': [...exchange(), ...exchange(5000)],
  'ports that are used again after an RST': [
    syn(0),
    {at: 10, from: 'server', flags: 'RA', ack: 1},
    syn(1000),
    synAck(1020),
    ack(1021),
  ],
  'ports that are used again in the middle': [...exchange().slice(0, 6), ...exchange(5000, {clientIsn: 3_000_000_000})],
  'a challenge ACK': [
    syn(0),
    {at: 20, from: 'server', flags: 'A', seq: 5000, ack: 77_777},
    {at: 20.1, flags: 'R', seq: 77_777},
    syn(1000),
    synAck(1022),
    ack(1022.1),
  ],
  'data in the SYN': [syn(0, {payload: data(100)}), synAck(20, {ack: 101}), ack(20.2, {seq: 101})],
  'ACKs of a connection whose beginning is missing, then a new one': [
    ack(0, {seq: 5000, ack: 7000}),
    ack(1, {from: 'server', seq: 7000, ack: 5000}),
    ...exchange(100, {clientIsn: 500}),
  ],
  'a FIN in the handshake': [syn(0), synAck(20), {...ack(21), flags: 'FA'}],
}

interface Line {
  port: number
  /** The SYN was captured. */
  syn: boolean
  rttMs: string | null
  completeness: number
}

const FIELDS = [
  'tcp.stream',
  'tcp.port',
  'tcp.flags.syn',
  'tcp.flags.ack',
  'tcp.analysis.initial_rtt',
  'tcp.completeness',
]
const BITS: Record<string, number> = {syn: 1, 'syn-ack': 2, ack: 4, data: 8, fin: 16, rst: 32}
/** tshark 4.0 gives the SYN's bit only to a stream's first packet. */
const OTHER_COMPLETENESS = 'a SYN/ACK that was captured before its SYN'

/** What tshark makes of every stream: its initial RTT and the bits of completeness. */
function byTshark(file: string): Line[] {
  const words = FIELDS.flatMap((field) => ['-e', field])
  const text = execFileSync('tshark', ['-2', '-r', file, '-T', 'fields', ...words], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const streams: Line[] = []
  for (const line of text.toString().trimEnd().split('\n')) {
    const [stream, ports, isSyn, isAck, rtt, completeness] = line.split('\t')
    const port = ports
      .split(',')
      .map(Number)
      .find((number) => number !== SERVER_PORT)!
    streams[Number(stream)] ??= {port, syn: false, rttMs: null, completeness: 0}
    const known = streams[Number(stream)]
    if (isSyn === '1' && isAck === '0') known.syn = true
    if (rtt) known.rttMs = (Number(rtt) * 1000).toFixed(3)
    known.completeness = Number(completeness)
  }

  return streams
}

async function byUs(file: string): Promise<Line[]> {
  const {connections} = await analyse([file])
  return [...connections].map(({client, excluded, handshakeRttMs, completeness}) => ({
    port: Number(client.split(':')[1]),
    syn: excluded === undefined,
    rttMs: handshakeRttMs?.toFixed(3) ?? null,
    completeness: completeness.reduce((bits, part) => bits | BITS[part], 0),
  }))
}

const names = Object.keys(CASES)
const portOf = (name: string): number => 20_000 + names.indexOf(name)

/** What is compared of a case. */
function told(lines: readonly Line[], name: string): Partial<Line>[] {
  return lines
    .filter(({port}) => port === portOf(name))
    .map(({completeness, ...line}) => (name === OTHER_COMPLETENESS ? line : {...line, completeness}))
}

describe('replay analysis beside tshark', () => {
  let theirs: Line[]
  let ours: Line[]

  before(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ov-replay-'))
    try {
      const file = join(directory, 'cases.pcap')
      const segments = names.flatMap((name, index) =>
        CASES[name].map((one) => ({...one, at: one.at + index * 10_000, clientPort: portOf(name)})),
      )
      writeFileSync(file, pcapOfSegments(segments))
      theirs = byTshark(file)
      ours = await byUs(file)
    } finally {
      rmSync(directory, {recursive: true})
    }
  })

  it('numbers the connections alike', () => {
    expect(ours.map(({port}) => port)).to.deep.equal(theirs.map(({port}) => port))
  })

  it('finds the same when every connection is put away between any two of its packets', async () => {
    const all = names.flatMap((name) => CASES[name].map((one, nth) => ({nth, ...one, clientPort: portOf(name)})))
    const interleaved = all.sort((a, b) => a.nth - b.nth)
    const directory = mkdtempSync(join(tmpdir(), 'ov-replay-'))
    try {
      const file = join(directory, 'interleaved.pcap')
      writeFileSync(file, pcapOfSegments(interleaved))
      const [kept, putAway] = [await analyse([file]), await analyse([file], {ageSegments: 1})]
      expect([...putAway.connections]).to.deep.equal([...kept.connections])
      expect(kept.connections.length).to.be.at.least(names.length)
    } finally {
      rmSync(directory, {recursive: true})
    }
  })

  for (const name of names) {
    it(`says the same of ${name}`, () => {
      expect(told(ours, name)).to.deep.equal(told(theirs, name))
    })
  }
})
