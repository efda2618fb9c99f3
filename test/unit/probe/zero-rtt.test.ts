import {expect} from 'chai'

import {dummyTsval, decodeOptions} from '../../../src/lib/handshake/suggested-isn.js'
import {parseKeys} from '../../../src/lib/keys/key-file.js'
import {ProbeKeys} from '../../../src/lib/probe/probe-keys.js'
import {openingCounts, provesGateway, zeroRttFigures} from '../../../src/lib/probe/zero-rtt-stage.js'
import {
  ordinaryDataExchange,
  zeroRttExchange,
  zeroRttOpening,
  type DataOutcome,
  type OpeningOrder,
} from '../../../src/lib/probe/zero-rtt.js'
import {TcpFlag, type TcpSegment} from '../../../src/lib/wire/tcp-segment.js'
import {flowTo, isSyn, synAckFor, type Answer} from './crafted-flow.js'

const keys = new ProbeKeys(parseKeys(`1 ${'11'.repeat(32)}`, 'test'))
const SETTINGS = {mss: 1460, timeoutMs: 40}

/** A gateway: the suggested number back, and an acknowledgement of all data. */
const gateway: Answer = (tcp) => {
  if (tcp.flags & TcpFlag.RST) return []
  if (isSyn(tcp)) return [synAckFor(tcp, tcp.acknowledgment)]
  return acknowledge(tcp)
}

const acknowledge: Answer = (tcp) =>
  tcp.payloadLength === 0
    ? []
    : [
        {
          sequence: tcp.acknowledgment,
          acknowledgment: (tcp.sequence + tcp.payloadLength) >>> 0,
          flags: TcpFlag.ACK,
          window: 512,
        },
      ]

const run = async (answer: Answer, order?: OpeningOrder): Promise<{outcome: DataOutcome; sent: TcpSegment[]}> => {
  const {flow, sent} = flowTo(answer)
  return {outcome: await zeroRttExchange(flow, keys, SETTINGS, order), sent}
}

describe('zero-RTT opening', () => {
  it('sends what PROTOCOL 1.4 and 1.5 have: number and option bits in the SYN, the same in all that follows', () => {
    const {flow} = flowTo(() => [])
    const opening = zeroRttOpening(flow, keys, 1460)
    const {timestamps} = opening.syn.options!
    expect(opening.syn).to.deep.include({flags: TcpFlag.SYN, acknowledgment: opening.suggested})
    expect(decodeOptions(timestamps!.echo & 1023)).to.deep.equal({windowScale: 10, mss: 1460, sackPermitted: true})
    expect(timestamps!.echo).to.equal(dummyTsval(timestamps!.value, timestamps!.echo & 1023))
    for (const part of [opening.ack, opening.data(Buffer.from('x'))]) {
      expect(part.sequence).to.equal((opening.isn + 1) >>> 0)
      expect(part.acknowledgment).to.equal((opening.suggested + 1) >>> 0)
      expect(part.options!.timestamps!.echo).to.equal(timestamps!.echo)
    }
  })

  for (const [order, kinds] of [
    ['syn-ack-data', ['SYN', 'ACK', 'data']],
    ['syn-ack', ['SYN', 'ACK']],
    ['data-then-syn', ['data', 'SYN']],
    ['data-without-syn', ['data']],
    ['syn-then-flagless-data', ['SYN', 'data']],
  ] as const) {
    it(`${order}: packets in that order, then an RST at the number that the gateway expects`, async () => {
      const {outcome, sent} = await run(gateway, order)
      const reset = sent.pop()!
      expect(
        sent.map((tcp) => (isSyn(tcp) ? 'SYN' : tcp.payloadLength > 0 ? 'data' : 'ACK')),
        order,
      ).to.deep.equal(kinds)
      const last = sent.at(-1)!
      const data = sent.find(({payloadLength}) => payloadLength > 0)
      expect(reset.flags).to.equal(TcpFlag.RST)
      expect(reset.sequence).to.equal(data ? (data.sequence + data.payloadLength) >>> 0 : last.sequence)
      expect(outcome.acceptedMs === null).to.equal(order === 'syn-ack')
      expect(outcome.number).to.equal(order === 'data-without-syn' ? null : 'suggested')
    })
  }

  it('times are those of the capture', async () => {
    const {outcome} = await run(gateway)
    expect(outcome).to.deep.include({synAckMs: 10, dataSentMs: 10, acceptedMs: 20, reset: false, reply: null})
  })

  it('a SYN/ACK with another number is no confirmation', async () => {
    const {outcome} = await run((tcp) => (isSyn(tcp) ? [synAckFor(tcp, 12_345)] : []))
    expect(outcome).to.deep.include({number: 'other', acceptedMs: null})
  })

  it('an RST ends it', async () => {
    const {outcome} = await run(() => [{sequence: 0, acknowledgment: 0, flags: TcpFlag.RST, window: 0}])
    expect(outcome).to.deep.include({reset: true, number: null})
  })

  it('an acknowledgement of part of the data is none', async () => {
    const {outcome} = await run((tcp) =>
      acknowledge(tcp).map((part) => ({...part, acknowledgment: (part.acknowledgment - 1) >>> 0})),
    )
    expect(outcome.acceptedMs).to.equal(null)
  })

  it('a reply is genuine only with the MAC of a holder of the key', async () => {
    const {outcome} = await run((tcp) => acknowledge(tcp).map((part) => ({...part, payload: Buffer.alloc(40)})))
    expect(outcome.reply).to.equal('foreign')
  })

  it('ordinary: data goes once the SYN/ACK has come', async () => {
    const {flow, sent} = flowTo((tcp) => (isSyn(tcp) ? [synAckFor(tcp, 99)] : acknowledge(tcp)))
    const outcome = await ordinaryDataExchange(flow, keys, SETTINGS)
    expect(outcome).to.deep.include({synAckMs: 10, dataSentMs: 10, acceptedMs: 20})
    expect(sent[0].acknowledgment).to.equal(0)
    expect(sent[1].acknowledgment).to.equal(100)
  })
})

describe('figures of zero-RTT exchanges', () => {
  const good: DataOutcome = {
    dataSentMs: 1,
    synAckMs: 50,
    number: 'suggested',
    acceptedMs: 51,
    reply: null,
    reset: false,
  }
  const byData: DataOutcome = {...good, synAckMs: null, number: null}
  const other: DataOutcome = {...good, number: 'other'}
  const reset: DataOutcome = {...good, number: null, synAckMs: null, acceptedMs: null, reset: true}
  const silent: DataOutcome = {...reset, reset: false}

  it('count each opening once', () => {
    expect(openingCounts([good, good, byData, other, reset, silent])).to.deep.equal({
      syns: 6,
      confirmed: 2,
      confirmedByData: 1,
      mismatches: 1,
      refused: 1,
    })
  })

  it('are medians of what succeeded, without the time between the SYN/ACK and the data of ordinary ones', () => {
    const ordinary: DataOutcome = {...good, number: 'other', synAckMs: 50, dataSentMs: 53, acceptedMs: 104}
    const figures = zeroRttFigures({ordinary: [ordinary], zeroRtt: [good, byData, other, reset, silent]})
    expect(figures).to.deep.include({
      realSynAckMs: 50,
      dataAcceptedMs: 51,
      ordinaryDataAcceptedMs: 101,
      savedMs: 50,
      sent: 5,
      confirmed: 2,
      confirmedByData: 1,
      accepted: 2,
      otherNumber: 1,
      reset: 1,
      gateway: true,
    })
    expect(zeroRttFigures({ordinary: [], zeroRtt: [silent]})).to.deep.include({savedMs: null, dataAcceptedMs: null})
  })

  it('take for a gateway only what a holder of the key can send', () => {
    expect(provesGateway({ordinary: [{...other, reply: 'foreign'}], zeroRtt: [other, byData]})).to.equal(false)
    expect(provesGateway({ordinary: [{...other, reply: 'genuine'}], zeroRtt: []})).to.equal(true)
    expect(provesGateway({ordinary: [], zeroRtt: [good]})).to.equal(true)
  })
})
