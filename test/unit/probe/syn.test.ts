import {expect} from 'chai'

import type {FlowEvent} from '../../../src/lib/probe/flow.js'
import {synExchange} from '../../../src/lib/probe/ordinary.js'
import {ordinarySyn, outcomeOf} from '../../../src/lib/probe/syn.js'
import {decodeIpPacket} from '../../../src/lib/wire/ip-packet.js'
import {encodeIp} from '../../../src/lib/wire/tcp-packet.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'
import {flowTo, isSyn, LOCAL, REMOTE, synAckFor} from './crafted-flow.js'

const SYN = ordinarySyn(0xff_ff_ff_ff, 1460)

describe('what came of a SYN', () => {
  it('SYN/ACK: its time by the capture, and an RST with the number that the peer expects', async () => {
    const {flow, sent} = flowTo((tcp) => (isSyn(tcp) ? [synAckFor(tcp, 5)] : []))
    const outcome = await synExchange(flow, SYN, 1000)
    expect(outcome).to.deep.include({answer: 'syn-ack', rttMs: 10, hopLimit: 64})
    expect(sent.map(({flags, sequence}) => [flags, sequence])).to.deep.equal([
      [TcpFlag.SYN, 0xff_ff_ff_ff],
      [TcpFlag.RST, 0],
    ])
  })

  it('RST: nothing more is sent', async () => {
    const {flow, sent} = flowTo((tcp) => [
      {sequence: 0, acknowledgment: (tcp.sequence + 1) >>> 0, flags: TcpFlag.RST | TcpFlag.ACK, window: 0},
    ])
    expect(await synExchange(flow, SYN, 1000)).to.deep.include({answer: 'reset', rttMs: 10})
    expect(sent).to.have.lengthOf(1)
  })

  it('silence: an RST all the same, since a SYN/ACK may have been lost', async () => {
    const {flow, sent} = flowTo(() => [])
    expect((await synExchange(flow, SYN, 5)).answer).to.equal('silent')
    expect(sent.at(-1)).to.deep.include({flags: TcpFlag.RST, sequence: 0})
  })

  it('is not told by what answers another number, or acknowledges nothing', async () => {
    const {flow} = flowTo((tcp) =>
      isSyn(tcp)
        ? [
            {...synAckFor(tcp, 5), acknowledgment: 9},
            {sequence: 0, acknowledgment: 0, flags: TcpFlag.RST, window: 0},
            {sequence: 0, acknowledgment: 0, flags: TcpFlag.ACK, window: 0},
          ]
        : [],
    )
    expect((await synExchange(flow, SYN, 5)).answer).to.equal('silent')
  })

  it('ICMP errors: whose, and what they mean; those of another SYN mean nothing', () => {
    const ip = decodeIpPacket(encodeIp({...SYN, source: LOCAL, destination: REMOTE}))!
    const quoted = {
      ip,
      sourcePort: LOCAL.port,
      destinationPort: REMOTE.port,
      sequence: SYN.sequence,
      acknowledgment: null,
      flags: null,
      window: null,
      options: null,
    }
    const event = (problem: 'filtered' | 'hop-limit' | 'unreachable', sequence = SYN.sequence): FlowEvent => ({
      kind: 'icmp',
      timeNs: 1n,
      from: '10.0.0.254',
      error: {problem, type: 3, code: 1, mtu: null, quoted: {...quoted, sequence}},
    })
    expect(outcomeOf([event('unreachable')], SYN.sequence)).to.deep.include({
      answer: 'unreachable',
      refusal: {from: '10.0.0.254', what: 'ICMP type 3, code 1'},
    })
    expect(outcomeOf([event('filtered')], SYN.sequence)?.answer).to.equal('filtered')
    expect(outcomeOf([event('hop-limit')], SYN.sequence)).to.equal(null)
    expect(outcomeOf([event('unreachable', 3)], SYN.sequence)).to.equal(null)
  })

  for (const [why, answer] of [
    ['Network is unreachable', 'unreachable'],
    ['Operation not permitted', 'filtered'],
    ['Message too long', 'too-big'],
  ]) {
    it(`the kernel refuses it: ${why}`, () => {
      expect(outcomeOf([{kind: 'refused', why}], 1)).to.deep.include({answer, refusal: {from: null, what: why}})
    })
  }
})
