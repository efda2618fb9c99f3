import {expect} from 'chai'
import {assert as holds, nat, property, uint8Array} from 'fast-check'

import {decodeEthernet, decodeIp, decodeOptions, flagNames, TcpFlag} from '../../../src/lib/wire/tcp-segment.js'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
const ETHERNET = '026f76000115 026f7600010b'
const IPV4 = '4500 003c abcd 4000 4006 0000 0a4d010b 0a4d0315'
/** The options of a Linux SYN: MSS 1460, SACK permitted, TSval 1000, TSecr 0, NOP, window scale 10. */
const SYN = '9c40 0050 88f7b0a6 00000000 a002 faf0 0000 0000 020405b4 0402 080a 000003e8 00000000 01 03030a'

describe('TCP segment', () => {
  it('is read from Ethernet and IPv4, with its options', () => {
    const segment = decodeEthernet(bytes(`${ETHERNET} 0800 ${IPV4} ${SYN}`))!
    expect(segment).to.deep.include({
      source: '10.77.1.11',
      destination: '10.77.3.21',
      sourcePort: 40_000,
      destinationPort: 80,
      sequence: 0x88f7b0a6,
      acknowledgment: 0,
      flags: TcpFlag.SYN,
      window: 64_240,
      payloadLength: 0,
    })
    expect(segment.options).to.deep.equal({
      maximumSegmentSize: 1460,
      sackPermitted: true,
      timestamps: {value: 1000, echo: 0},
      windowScale: 10,
    })
  })

  it('is read behind VLAN tags, IPv6 and its extension headers', () => {
    const addresses = `fd770001${'0'.repeat(22)}11 fd770003${'0'.repeat(22)}21`
    const inIPv6 = `6000 0000 002c 00 40 ${addresses} 06 00 0104 00000000 ${SYN.slice(0, -20)}`
    const tcp = bytes(SYN).subarray(0, 36)
    tcp[12] = 0x90
    const packet = Buffer.concat([bytes(inIPv6).subarray(0, 48), tcp])
    const segment = decodeEthernet(Buffer.concat([bytes(`${ETHERNET} 8100 0005 86dd`), packet]))!
    expect(segment).to.deep.include({source: 'fd77:1::11', destination: 'fd77:3::21', destinationPort: 80})
    expect(segment.options.timestamps?.value).to.equal(1000)
  })

  it('tells the payload apart from Ethernet padding, and counts what a capture cut off', () => {
    const data = '9c40 0050 00000001 00000002 5018 faf0 0000 0000 68656c6c6f'
    const ip = bytes('4500 002d 0000 4000 4006 0000 0a4d010b 0a4d0315')
    const segment = decodeIp(Buffer.concat([ip, bytes(data), Buffer.alloc(9)]))!
    expect([segment.payloadLength, Buffer.from(segment.payload).toString()]).to.deep.equal([5, 'hello'])
    const cut = decodeIp(Buffer.concat([ip, bytes(data).subarray(0, 22)]))!
    expect([cut.payloadLength, cut.payload.length]).to.deep.equal([5, 2])
    expect(flagNames(segment.flags)).to.equal('PSH ACK')
  })

  it('is null for what is no TCP segment', () => {
    const frame = bytes(`${ETHERNET} 0800 ${IPV4} ${SYN}`)
    const change = (at: number, value: number): Buffer => {
      const copy = Buffer.from(frame)
      copy[at] = value
      return copy
    }

    for (const [why, broken] of [
      ['UDP', change(23, 17)],
      ['later fragment', change(21, 8)],
      ['header of 16 bytes', change(14, 0x44)],
      ['total length below the header', change(17, 10)],
      ['data offset 4', change(46, 0x40)],
      ['data offset over the end', change(46, 0xf0)],
      ['option over the end', change(55, 200)],
      ['ARP', change(13, 6)],
      ['cut in the header', frame.subarray(0, 50)],
      ['empty', Buffer.alloc(0)],
    ] as const) {
      expect(decodeEthernet(broken), why).to.equal(null)
    }
  })

  it('passes over unknown options and known ones of a wrong length', () => {
    expect(decodeOptions(bytes('fd0412340203050104'))).to.equal(null)
    expect(decodeOptions(bytes('fd041234 020305 0101 0402 00 ff'))).to.deep.equal({sackPermitted: true})
    expect(decodeOptions(bytes('050a0000000100000002'))).to.deep.equal({sackBlocks: [[1, 2]]})
  })

  it('never throws', () => {
    const frame = bytes(`${ETHERNET} 0800 ${IPV4} ${SYN}`)
    holds(
      property(uint8Array({maxLength: 120}), (garbage) => {
        decodeEthernet(garbage)
        decodeIp(garbage)
        decodeOptions(garbage)
      }),
      {numRuns: 3000},
    )
    holds(
      property(nat(frame.length - 1), nat(255), nat(frame.length), (at, value, length) => {
        const copy = Buffer.from(frame)
        copy[at] = value
        const segment = decodeEthernet(copy.subarray(0, length))
        if (segment) expect(segment.payload.length).to.be.at.most(segment.payloadLength)
      }),
      {numRuns: 5000},
    )
  })
})
