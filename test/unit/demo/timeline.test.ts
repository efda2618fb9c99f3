import {expect} from 'chai'

import type {PcapPacket} from '../../../src/lib/capture/pcap-reader.js'
import {renderDemo} from '../../../src/lib/demo/render.js'
import {demoSchema} from '../../../src/lib/demo/schema.js'
import {openingTimeline} from '../../../src/lib/demo/timeline.js'
import {TcpFlag} from '../../../src/lib/wire/tcp-segment.js'

const {SYN, ACK, PSH} = TcpFlag
const GATEWAY_PORT = 7002
const ISN = 1000
const SUGGESTED = 4_000_000_000

interface Packet {
  atUs: number
  port?: number
  toEdge?: boolean
  flags: number
  sequence: number
  acknowledgment: number
  payload?: string
}

/** An Ethernet frame with an IPv4 TCP segment; checksums are not looked at. */
function frame({
  atUs,
  port = 40_000,
  toEdge = false,
  flags,
  sequence,
  acknowledgment,
  payload = '',
}: Packet): PcapPacket {
  const data = Buffer.alloc(54 + payload.length)
  data.writeUInt16BE(0x0800, 12)
  data[14] = 0x45
  data.writeUInt16BE(40 + payload.length, 16)
  data[23] = 6
  data.writeUInt16BE(toEdge ? GATEWAY_PORT : port, 34)
  data.writeUInt16BE(toEdge ? port : GATEWAY_PORT, 36)
  data.writeUInt32BE(sequence, 38)
  data.writeUInt32BE(acknowledgment, 42)
  data[46] = 0x50
  data[47] = flags
  data.write(payload, 54)
  return {timeNs: 1_700_000_000_000_000_000n + BigInt(atUs) * 1000n, data, originalLength: data.length}
}

const health = [
  frame({atUs: -5000, port: 39_999, flags: SYN, sequence: 1, acknowledgment: 77}),
  frame({atUs: -4900, port: 39_999, flags: ACK | PSH, sequence: 2, acknowledgment: 78, payload: 'health check'}),
]
const zeroRtt = [
  frame({atUs: 0, flags: SYN, sequence: ISN, acknowledgment: SUGGESTED}),
  frame({atUs: 20, toEdge: true, flags: SYN | ACK, sequence: SUGGESTED, acknowledgment: ISN + 1}),
  frame({
    atUs: 60,
    flags: ACK | PSH,
    sequence: ISN + 1,
    acknowledgment: SUGGESTED + 1,
    payload: 'preamble GET /marked',
  }),
  frame({atUs: 80_100, toEdge: true, flags: SYN | ACK, sequence: SUGGESTED, acknowledgment: ISN + 1}),
  frame({atUs: 82_500, toEdge: true, flags: ACK, sequence: SUGGESTED + 1, acknowledgment: ISN + 21, payload: 'HTTP'}),
]
const ordinary = [
  frame({atUs: 0, flags: SYN, sequence: ISN, acknowledgment: 0}),
  frame({atUs: 80_000, toEdge: true, flags: SYN | ACK, sequence: 5, acknowledgment: ISN + 1}),
  frame({atUs: 80_050, flags: ACK | PSH, sequence: ISN + 1, acknowledgment: 6, payload: 'GET /marked'}),
]

describe('timeline of an opening', () => {
  it('names the packets of a zero-RTT opening, with times after the SYN, and leaves health checks out', () => {
    const timeline = openingTimeline([...health, ...zeroRtt], GATEWAY_PORT, '/marked')
    expect(timeline?.suggestedNumber).to.equal(SUGGESTED)
    expect(timeline?.events.map(({event, atMs}) => [event, atMs])).to.deep.equal([
      ['syn', 0],
      ['dummy-syn-ack', 0.02],
      ['first-data-to-gateway', 0.06],
      ['real-syn-ack', 80.1],
      ['first-data-to-edge', 82.5],
    ])
    expect(timeline?.events[3]).to.include({sequence: SUGGESTED, acknowledgment: ISN + 1})
  })

  it('takes the only SYN/ACK of an ordinary opening for the real one', () => {
    const timeline = openingTimeline(ordinary, GATEWAY_PORT, '/marked')
    expect(timeline?.suggestedNumber).to.equal(null)
    expect(timeline?.events.map(({event}) => event)).to.deep.equal(['syn', 'real-syn-ack', 'first-data-to-gateway'])
  })

  it('leaves out what the capture does not hold', () => {
    const timeline = openingTimeline(zeroRtt.slice(0, 3), GATEWAY_PORT, '/marked')
    expect(timeline?.events.map(({event}) => event)).to.deep.equal(['syn', 'dummy-syn-ack', 'first-data-to-gateway'])
  })

  it('is null without the connection, or without its SYN', () => {
    expect(openingTimeline(health, GATEWAY_PORT, '/marked')).to.equal(null)
    expect(openingTimeline(zeroRtt.slice(1), GATEWAY_PORT, '/marked')).to.equal(null)
    expect(openingTimeline([{timeNs: 0n, data: Buffer.alloc(9), originalLength: 9}], 1, 'x')).to.equal(null)
  })

  it('reads as text', () => {
    const timeline = openingTimeline(zeroRtt, GATEWAY_PORT, '/marked')!
    const text = renderDemo(
      demoSchema.parse({
        rttMs: {clientEdge: 10, edgeGateway: 80, gatewayOrigin: 2},
        fetches: 7,
        paths: [
          {name: 'direct', connectMs: 92.5, firstByteMs: 185, totalMs: 185.1},
          {name: 'split', connectMs: 10.4, firstByteMs: 186, totalMs: 186.1},
          {name: 'zero-rtt', connectMs: 10.4, firstByteMs: 105.5, totalMs: 105.6},
        ],
        savedMs: 80.5,
        suggestedNumber: timeline.suggestedNumber,
        timeline: timeline.events,
      }),
    )
    expect(text).to.match(/^zero-rtt\s+10\.4\s+105\.5\s+105\.6\s+-80\.5$/m)
    expect(text).to.contain(`SYN, seq ${ISN}, suggests ${SUGGESTED}`)
    expect(text).to.contain('real SYN/ACK, seq 4000000000: the number that was suggested')
  })
})
