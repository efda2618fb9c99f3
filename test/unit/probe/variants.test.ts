import {expect} from 'chai'

import {parseKeys} from '../../../src/lib/keys/key-file.js'
import type {Stage} from '../../../src/lib/probe/handshake-stage.js'
import {VARIANTS} from '../../../src/lib/probe/variants.js'
import {ProbeKeys} from '../../../src/lib/probe/probe-keys.js'
import {TcpFlag, type TcpOptions, type TcpSegment} from '../../../src/lib/wire/tcp-segment.js'
import {flowTo, isSyn, synAckFor, type Answer} from './crafted-flow.js'

const keys = new ProbeKeys(parseKeys(`1 ${'11'.repeat(32)}`, 'test'))
const stage = {mss: 1460, timeoutMs: 30, abandon: new AbortController().signal} as Stage

/** A server that takes everything: SYNs of any kind, data in any order. */
const willing: Answer = (tcp) => {
  if (isSyn(tcp)) return [synAckFor(tcp, tcp.acknowledgment)]
  if (tcp.payloadLength === 0 || (tcp.flags & TcpFlag.ACK) === 0) return []
  const acknowledgment = (tcp.sequence + tcp.payloadLength) >>> 0
  return [{sequence: tcp.acknowledgment, acknowledgment, flags: TcpFlag.ACK, window: 512}]
}

const run = async (name: string, answer: Answer): Promise<{answered: boolean | null; packets: TcpSegment[]}> => {
  const {flow, sent} = flowTo(answer)
  const variant = VARIANTS.find((one) => one.name === name)!
  const {answered} = await variant.run(flow, stage, keys)
  return {answered, packets: sent.filter((tcp) => variant.isTheOne(tcp))}
}

const packet = async (name: string): Promise<TcpSegment> => (await run(name, willing)).packets[0]

describe('variants', () => {
  it('have names of their own, the control first', () => {
    const names = VARIANTS.map(({name}) => name)
    expect(new Set(names).size).to.equal(names.length)
    expect(names[0]).to.equal('syn')
  })

  for (const {name} of VARIANTS) {
    it(`${name}: sends the one packet whose arrival is the question; silence is no answer`, async () => {
      const {answered, packets} = await run(name, willing)
      // This server gives no cookie.
      expect(packets).to.have.lengthOf(name === 'fast-open-cookie' ? 0 : 1)
      const onlyEcho = ['early-ack', 'data-without-ack', 'fast-open-cookie'].includes(name)
      expect(answered).to.equal(onlyEcho ? null : true)
      expect((await run(name, () => [])).answered).to.equal(onlyEcho ? null : false)
    })
  }

  for (const [name, options] of [
    ['no-options', []],
    ['mss', ['maximumSegmentSize']],
    ['sack', ['sackPermitted']],
    ['timestamps', ['timestamps']],
    ['window-scale', ['windowScale']],
    ['syn', ['maximumSegmentSize', 'sackPermitted', 'timestamps', 'windowScale']],
    ['fast-open', ['fastOpenCookie', 'maximumSegmentSize', 'sackPermitted', 'timestamps', 'windowScale']],
  ] as const) {
    it(`${name}: has the options that it names and no others`, async () => {
      const {packets} = await run(name, willing)
      const present = (Object.keys(packets[0].options) as (keyof TcpOptions)[]).filter(
        (option) => packets[0].options[option] !== undefined,
      )
      expect(present.sort()).to.deep.equal(options)
    })
  }

  for (const takes of [true, false]) {
    it(`fast-open-cookie: sends the cookie back with data; the server ${takes ? 'takes' : 'does not take'} it`, async () => {
      const cookie = Buffer.from('12345678')
      const {flow, sent} = flowTo((tcp) => {
        if (!isSyn(tcp)) return []
        const asked = tcp.options.fastOpenCookie?.length === 0
        const synAck = synAckFor(tcp, 5)
        if (asked) return [{...synAck, options: {...synAck.options, fastOpenCookie: cookie}}]
        return [{...synAck, acknowledgment: (tcp.sequence + 1 + (takes ? tcp.payloadLength : 0)) >>> 0}]
      })
      const variant = VARIANTS.find(({name}) => name === 'fast-open-cookie')!
      const {answered, detail} = await variant.run(flow, stage, keys)
      expect(answered).to.equal(true)
      expect(detail).to.match(takes ? /was acknowledged with the SYN/ : /not acknowledged/)
      const [request, reset, open, end] = sent
      expect([request, reset, open, end].map(({flags}) => flags)).to.deep.equal([
        TcpFlag.SYN,
        TcpFlag.RST,
        TcpFlag.SYN,
        TcpFlag.RST,
      ])
      expect(Buffer.from(open.options.fastOpenCookie!)).to.deep.equal(cookie)
      expect(reset.sequence).to.equal((request.sequence + 1) >>> 0)
      expect(open.payloadLength).to.be.greaterThan(100)
      expect(end.sequence).to.equal((open.sequence + 1 + (takes ? open.payloadLength : 0)) >>> 0)
    })
  }

  it('syn-ack-field, timestamp-echo, ecn, data: carry what they name', async () => {
    expect((await packet('syn')).acknowledgment).to.equal(0)
    expect((await packet('syn-ack-field')).acknowledgment).to.be.greaterThan(0)
    expect((await packet('timestamp-echo')).options.timestamps!.echo).to.be.greaterThan(0)
    expect((await packet('ecn')).flags).to.equal(TcpFlag.SYN | TcpFlag.ECE | TcpFlag.CWR)
    expect((await packet('data')).payloadLength).to.be.greaterThan(0)
    expect((await packet('data-without-ack')).flags & TcpFlag.ACK).to.equal(0)
    expect((await packet('data-without-ack')).options.maximumSegmentSize).to.equal(1460)
  })
})
