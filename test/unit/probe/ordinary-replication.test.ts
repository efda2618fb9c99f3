import {expect} from 'chai'

import {ordinaryReplicationExchange, parseReplicationData} from '../../../src/lib/probe/ordinary-replication.js'
import {replicationQuestion} from '../../../src/lib/probe/replication.js'
import {replicationFigures, whyUnmeasured} from '../../../src/lib/probe/replication-stage.js'
import {TcpFlag, type TcpSegment} from '../../../src/lib/wire/tcp-segment.js'
import {flowTo, isSyn, synAckFor, type Answer} from './crafted-flow.js'

const stage = {mss: 1460, timeoutMs: 40, abandon: new AbortController().signal}
const DATA = Buffer.from('\r\n\r\n')
const ISN = 5000

/** A receiver of RFC 5681: what leaves a gap draws what it has so far, what closes it everything. */
function receiver(last: (acknowledgment: number) => ReturnType<Answer> = acknowledge): Answer {
  let next = 0
  const beyond: TcpSegment[] = []
  return (tcp) => {
    if (isSyn(tcp)) {
      next = (tcp.sequence + 1) >>> 0
      return [synAckFor(tcp, ISN)]
    }

    if (tcp.payloadLength === 0) return []
    if (tcp.sequence !== next) {
      beyond.push(tcp)
      return acknowledge(next)
    }

    next = (next + tcp.payloadLength) >>> 0
    for (const {sequence, payloadLength} of beyond) if (sequence === next) next = (next + payloadLength) >>> 0
    return last(next)
  }
}

const acknowledge = (acknowledgment: number): ReturnType<Answer> => [
  {sequence: ISN + 1, acknowledgment, flags: TcpFlag.ACK, window: 512},
]

describe('replication as seen from outside, of any target', () => {
  it('data in two segments, the second first; its time is from the one that closes the gap', async () => {
    const {flow, sent} = flowTo(receiver())
    const outcome = await ordinaryReplicationExchange(flow, stage, Buffer.from('abcde'))
    expect(outcome).to.deep.equal({pathMs: 10, ackMs: 10, answer: 'accepted'})
    const [syn, ack, second, first, reset] = sent
    const at = (tcp: TcpSegment) => (tcp.sequence - syn.sequence - 1) >>> 0
    expect([at(ack), ack.flags, ack.payloadLength]).to.deep.equal([0, TcpFlag.ACK, 0])
    expect([at(second), Buffer.from(second.payload).toString()]).to.deep.equal([2, 'cde'])
    expect([at(first), Buffer.from(first.payload).toString()]).to.deep.equal([0, 'ab'])
    for (const tcp of [ack, second, first]) {
      expect(tcp.acknowledgment).to.equal(ISN + 1)
      expect(tcp.options.timestamps?.echo).to.equal(7)
    }

    expect([at(reset), reset.flags]).to.deep.equal([5, TcpFlag.RST])
    expect(sent).to.have.lengthOf(5)
  })

  it('an acknowledgement that an answer carries counts, and that of an RST does not', async () => {
    const {flow} = flowTo(receiver((end) => [{...acknowledge(end)[0], payload: Buffer.from('200 OK')}]))
    expect(await ordinaryReplicationExchange(flow, stage, DATA)).to.deep.include({ackMs: 10, answer: 'accepted'})
    const refusing = flowTo(receiver((end) => [{...acknowledge(end)[0], flags: TcpFlag.RST | TcpFlag.ACK}])).flow
    const refused = await ordinaryReplicationExchange(refusing, stage, DATA)
    expect(refused).to.deep.equal({pathMs: 10, ackMs: null, answer: 'reset'})
    expect(whyUnmeasured('ordinary', [refused])).to.equal('the target resets the connections')
  })

  it('silence: the connection is reset all the same', async () => {
    const {flow, sent} = flowTo(receiver(() => []))
    const outcome = await ordinaryReplicationExchange(flow, stage, DATA)
    expect(outcome).to.deep.equal({pathMs: 10, ackMs: null, answer: null})
    expect(sent.at(-1)!.flags).to.equal(TcpFlag.RST)
    expect(replicationFigures('ordinary', [outcome])).to.equal(null)
    expect(whyUnmeasured('ordinary', [outcome])).to.equal('no connection was answered in time')
  })

  it('sends no data without a SYN/ACK', async () => {
    const silent = flowTo(() => [])
    const mute = await ordinaryReplicationExchange(silent.flow, stage, DATA)
    expect(mute).to.deep.equal({pathMs: null, ackMs: null, answer: null})
    expect(silent.sent.map(({flags}) => flags)).to.deep.equal([TcpFlag.SYN, TcpFlag.RST])
    expect(whyUnmeasured('ordinary', [mute])).to.equal('no SYN was answered by a SYN/ACK in time')
    const closed = flowTo((tcp) =>
      isSyn(tcp)
        ? [{sequence: 0, acknowledgment: (tcp.sequence + 1) >>> 0, flags: TcpFlag.RST | TcpFlag.ACK, window: 0}]
        : [],
    )
    expect(await ordinaryReplicationExchange(closed.flow, stage, DATA)).to.deep.include({answer: 'reset'})
    expect(closed.sent, 'a closed port needs no RST').to.have.lengthOf(1)
  })

  it('two to a thousand bytes, of any target; an origin needs a key', () => {
    expect(parseReplicationData('ab').length).to.equal(2)
    expect(parseReplicationData('é').length).to.equal(2)
    for (const text of ['', 'a', 'a'.repeat(1001)]) {
      expect(() => parseReplicationData(text)).to.throw(/2 to 1000/)
    }

    expect(replicationQuestion(null, undefined, 'ab')).to.deep.equal({opening: 'ordinary', data: Buffer.from('ab')})
    expect(replicationQuestion(null, '10.0.3.21:80')).to.equal(null)
  })
})
