import {expect} from 'chai'

import {dummySynAck} from '../../../src/lib/handshake/dummy-syn-ack.js'
import {decodeIpPacket} from '../../../src/lib/wire/ip-packet.js'
import {encodeIp, type CraftedSegment} from '../../../src/lib/wire/tcp-packet.js'
import {decodeTcp} from '../../../src/lib/wire/tcp-segment.js'

/** The packets of docs/PROTOCOL.md 1.8. */
const SYN = `4500 003c dba6 4000 4006 465c 0a4d 020b 0a4d 0215 c6fc 1b58 a1c9 b975 579d aea6
             a002 faf0 b1d9 0000 0204 05b4 0402 080a 3a92 69ee 0036 99ea 0103 030a`
const DUMMY = `4500 003c dba6 4000 4006 465c 0a4d 0215 0a4d 020b 1b58 c6fc 579d aea6 a1c9 b976
               a012 ffff 18e8 0000 0204 05b4 0402 080a 0036 99ea 3a92 69ee 0103 030a`
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')

function crafted(packet: Buffer): CraftedSegment {
  const {sourcePort, destinationPort, ...tcp} = decodeTcp(decodeIpPacket(packet)!)!
  return {
    ...tcp,
    source: {address: tcp.source, port: sourcePort},
    destination: {address: tcp.destination, port: destinationPort},
  }
}

describe('dummy SYN/ACK', () => {
  it('is that of the recorded handshake in docs/PROTOCOL.md, byte for byte', () => {
    const recorded = bytes(DUMMY)
    const dummy = encodeIp({...dummySynAck(crafted(bytes(SYN)), null), identification: 0xdb_a6})
    // The recorded one never left its host: its TCP checksum covers the pseudo header alone (CHECKSUM_PARTIAL).
    for (const packet of [recorded, dummy]) packet.writeUInt16BE(0, 36)
    expect(dummy.toString('hex')).to.equal(recorded.toString('hex'))
  })

  const syn = crafted(bytes(SYN))
  const mssOf = (own: number, heard: number | null, address = syn.source.address): number =>
    dummySynAck({...syn, source: {address, port: 1}, options: {...syn.options, maximumSegmentSize: own}}, heard)
      .options!.maximumSegmentSize!

  it("has the gateway's MSS where it was heard, or else the smaller of the SYN's own and 1460, or 1440 over IPv6", () => {
    expect(mssOf(1460, 1400)).to.equal(1400)
    expect(mssOf(1300, null)).to.equal(1300)
    expect(mssOf(8960, null)).to.equal(1460)
    expect(mssOf(8940, null, 'fd00::1')).to.equal(1440)
  })

  it('acknowledges the last number by 0', () => {
    expect(dummySynAck({...syn, sequence: 0xff_ff_ff_ff}, null).acknowledgment).to.equal(0)
  })
})
