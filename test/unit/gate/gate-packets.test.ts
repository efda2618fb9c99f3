import {expect} from 'chai'

import {decodeGatedFlow, FLOW_BYTES, gatedKey, GateState, restoredFlow} from '../../../src/lib/gate/gate-maps.js'
import {KickPacket} from '../../../src/lib/gate/kick-packet.js'
import {decodeIp, TcpFlag} from '../../../src/lib/wire/tcp-segment.js'

const keys = {
  ipv4: {local: {address: '10.0.0.1', port: 80}, remote: {address: '192.0.2.7', port: 40_000}},
  ipv6: {local: {address: '2001:db8::1', port: 80}, remote: {address: '2001:db8:ffff::7', port: 40_000}},
}

/** The sum over pseudo-header and segment, which a good checksum makes all ones (RFC 9293 section 3.1). */
function wholeSum(packet: Buffer, ipv6: boolean): number {
  const tcpAt = ipv6 ? 40 : 20
  let sum = 6 + packet.length - tcpAt
  for (let at = ipv6 ? 8 : 12; at < packet.length; at += 2) sum += packet.readUInt16BE(at)
  while (sum > 0xff_ff) sum = (sum & 0xff_ff) + (sum >>> 16)
  return sum
}

describe('kick packet', () => {
  for (const [family, key] of Object.entries(keys)) {
    it(`${family}: is a bare ACK with the gate as its acknowledgement, and its checksum is good`, () => {
      const kick = new KickPacket(key)
      for (const [gate, repeat] of [
        [0xff_ff_ff_ff, false],
        [1, true],
      ] as const) {
        kick.aim(gate, repeat)
        const segment = decodeIp(kick.bytes)!
        expect(segment).to.include({
          source: key.local.address,
          destination: key.remote.address,
          sourcePort: 80,
          destinationPort: 40_000,
          acknowledgment: gate,
          flags: repeat ? TcpFlag.ACK | TcpFlag.PSH : TcpFlag.ACK,
          payloadLength: 0,
        })
        expect(wholeSum(kick.bytes, family === 'ipv6')).to.equal(0xff_ff)
      }
    })
  }
})

describe('gated flow', () => {
  it('of a restored connection is settled up to its numbers', () => {
    const value = restoredFlow({received: 1000, sent: 0xff_ff_ff_f0, windowScale: 7, timestamps: true})
    expect(value.length).to.equal(FLOW_BYTES)
    expect(decodeGatedFlow(value)).to.deep.equal({
      gate: 1000,
      irs: 1000,
      iss: 0xff_ff_ff_f0,
      maxSent: 0xff_ff_ff_f0,
      lastAck: 1000,
      wantAck: 1000,
      peerAck: 0xff_ff_ff_f0,
      windowScale: 7,
      state: GateState.Open,
      dead: false,
      timestamps: true,
      peerReset: false,
    })
  })

  it('has a key of addresses and ports in network order', () => {
    expect(gatedKey(keys.ipv4).toString('hex')).to.equal(
      `${'0'.repeat(20)}ffff0a000001${'0'.repeat(20)}ffffc000020700509c40`,
    )
  })
})
