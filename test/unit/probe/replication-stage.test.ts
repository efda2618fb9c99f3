import {expect} from 'chai'

import {parseKeys} from '../../../src/lib/keys/key-file.js'
import {ProbeKeys} from '../../../src/lib/probe/probe-keys.js'
import {
  acknowledgedMs,
  replicationExchange,
  replicationFigures,
  whyUnmeasured,
  type ReplicationOutcome,
} from '../../../src/lib/probe/replication-stage.js'
import {Preamble, parsePreamble} from '../../../src/lib/wire/preamble.js'
import {REPLY_LENGTH, Refusal, ReplyStatus, writeReply} from '../../../src/lib/wire/reply.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'
import {flowTo, isSyn, LOCAL, synAckFor, type Answer} from './crafted-flow.js'

const keys = new ProbeKeys(parseKeys(`1 ${'11'.repeat(32)}`, 'test'))
const stage = {mss: 1460, timeoutMs: 40, abandon: new AbortController().signal}
const ORIGIN = {address: '10.0.3.21', port: 80}
const CHALLENGE = Buffer.alloc(16, 5)

/** A gateway that acknowledges data 10 ms later, and says so much of it in its reply. */
const gateway =
  (status: number | null, refusal: number = Refusal.None): Answer =>
  (tcp) => {
    if (isSyn(tcp)) return [synAckFor(tcp, tcp.acknowledgment)]
    if (tcp.payloadLength === 0) return []
    const part = {
      sequence: tcp.acknowledgment,
      acknowledgment: (tcp.sequence + tcp.payloadLength) >>> 0,
      flags: TcpFlag.ACK,
      window: 512,
    }
    if (status === null) return [part]
    const preamble = new Preamble()
    const bytes = Buffer.from(tcp.payload)
    parsePreamble(bytes, 0, bytes.length, preamble)
    const payload = Buffer.alloc(REPLY_LENGTH)
    writeReply(payload, 0, status, refusal, null, keys.preamble, bytes.subarray(preamble.macAt, preamble.macAt + 32))
    return [part, {...part, payload}]
  }

const segment = (fields: object) => ({
  tcp: {sequence: 0, acknowledgment: 0, payloadLength: 0, flags: TcpFlag.ACK, ...fields},
})

describe('replication as seen from outside', () => {
  it("sends an origin's preamble after the SYN/ACK, and resets where the gateway stands", async () => {
    const {flow, sent} = flowTo(gateway(ReplyStatus.Accepted))
    const outcome = await replicationExchange(flow, keys, stage, ORIGIN, CHALLENGE)
    expect(outcome).to.deep.equal({pathMs: 10, ackMs: 10, answer: 'accepted'})
    const [syn, data, reset] = sent
    const preamble = new Preamble()
    const bytes = Buffer.from(data.payload)
    expect(parsePreamble(bytes, 0, bytes.length, preamble), 'nothing but a preamble').to.equal(bytes.length)
    expect(preamble.local).to.equal(false)
    expect(bytes.subarray(preamble.challengeAt, preamble.challengeAt + 16)).to.deep.equal(CHALLENGE)
    expect(bytes.includes(Buffer.from([10, 0, 3, 21])), 'the origin').to.equal(true)
    expect(bytes.includes(Buffer.from(LOCAL.address.split('.').map(Number))), 'our address').to.equal(true)
    expect(reset).to.deep.include({flags: TcpFlag.RST, sequence: (syn.sequence + 1 + bytes.length) >>> 0})
    expect(sent).to.have.lengthOf(3)
  })

  it('tells a refusal by its name, and silence', async () => {
    const refusing = flowTo(gateway(ReplyStatus.Refused, Refusal.OriginNotAllowed)).flow
    const refused = await replicationExchange(refusing, keys, stage, ORIGIN, null)
    expect(refused.answer).to.equal('origin-not-allowed')
    const mute = await replicationExchange(flowTo(gateway(null)).flow, keys, stage, ORIGIN, null)
    expect(mute.answer).to.equal(null)
    expect(replicationFigures('zero-rtt', [refused, mute])).to.equal(null)
    expect(whyUnmeasured('zero-rtt', [mute, refused])).to.include('origin-not-allowed')
    expect(whyUnmeasured('zero-rtt', [mute])).to.equal('no connection was answered in time')
  })

  it('sends no data where the opening is not confirmed', async () => {
    for (const answer of [() => [], (tcp) => [synAckFor(tcp, 1)]] as Answer[]) {
      const {flow, sent} = flowTo(answer)
      const outcome = await replicationExchange(flow, keys, stage, ORIGIN, null)
      expect(outcome).to.deep.equal({pathMs: null, ackMs: null, answer: null})
      expect(sent.every(({payloadLength}) => payloadLength === 0)).to.equal(true)
      expect(whyUnmeasured('zero-rtt', [outcome])).to.equal('no opening with a suggested number was confirmed')
    }
  })

  it('an acknowledgement counts from the data that it reaches, across the end of the number space', () => {
    const events = [
      {kind: 'sent', timeNs: 0n, ...segment({sequence: 0xff_ff_ff_f8, payloadLength: 10})},
      {kind: 'received', timeNs: 1_000_000n, ...segment({acknowledgment: 0xff_ff_ff_ff})},
      {kind: 'received', timeNs: 5_000_000n, ...segment({acknowledgment: 2})},
    ] as unknown as Parameters<typeof acknowledgedMs>[0]
    expect(acknowledgedMs(events.slice(0, 2), 2)).to.equal(null)
    expect(acknowledgedMs(events, 2)).to.equal(5)
  })

  it('figures hold each acknowledgement against its own connection', () => {
    const outcomes: ReplicationOutcome[] = [
      {pathMs: 20, ackMs: 21, answer: 'accepted'},
      {pathMs: 40, ackMs: 42, answer: 'accepted'},
      {pathMs: 20, ackMs: 25, answer: 'accepted'},
      {pathMs: 20, ackMs: 20, answer: 'draining'},
      {pathMs: null, ackMs: null, answer: null},
    ]
    const figures = replicationFigures('zero-rtt', outcomes)!
    expect(figures).to.deep.include({opening: 'zero-rtt', sent: 5, accepted: 3})
    expect(figures.addedMs).to.deep.equal({min: 1, p50: 2, p90: 5, max: 5})
  })
})
