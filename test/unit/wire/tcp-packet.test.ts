import {expect} from 'chai'
import fc from 'fast-check'
import {isIPv6} from 'node:net'

import {announcementFrames} from '../../../src/lib/wire/address-announcement.js'
import {addressBytes, formatAddress} from '../../../src/lib/wire/endpoint.js'
import {addToSum, pseudoHeaderSum} from '../../../src/lib/wire/internet-checksum.js'
import {encodeIp} from '../../../src/lib/wire/tcp-packet.js'
import {decodeIp} from '../../../src/lib/wire/tcp-segment.js'

const port = fc.integer({min: 1, max: 65_535})
const word = fc.integer({min: 0, max: 0xff_ff_ff_ff})
const ipv6 = fc.ipV6().filter((text) => isIPv6(text) && !text.includes('.') && !isMapped(text))
const isMapped = (text: string): boolean => !formatAddress(addressBytes(text)).includes(':')
const pair = fc.oneof(fc.tuple(fc.ipV4(), fc.ipV4()), fc.tuple(ipv6, ipv6))

/** A sum over its own checksum field is all ones (RFC 1071). */
const ALL_ONES = 0xffff

describe('internet checksum', () => {
  it('is that of the example in RFC 1071 section 3, in pieces too', () => {
    const bytes = Buffer.from('0001f203f4f5f6f7', 'hex')
    expect(addToSum(0, bytes)).to.equal(0xdd_f2)
    expect(addToSum(addToSum(0, bytes, 0, 4), bytes, 4)).to.equal(0xdd_f2)
    expect(addToSum(0, Buffer.from('ab', 'hex'))).to.equal(0xab_00)
  })
})

describe('TCP packet', () => {
  it('reads as it was written, with right checksums, in both families', () => {
    fc.assert(
      fc.property(pair, port, port, word, word, (addresses, from, to, sequence, acknowledgment) => {
        const [source, destination] = addresses.map((text) => formatAddress(addressBytes(text)))
        const bare = {sequence, acknowledgment, flags: 0x11, window: from}
        const packet = encodeIp({
          source: {address: source, port: from},
          destination: {address: destination, port: to},
          ...bare,
        })
        expect(decodeIp(packet)).to.deep.include({source, destination, sourcePort: from, destinationPort: to, ...bare})
        const skip = source.includes(':') ? 0 : 12
        const ends = [source, destination].map((text) => addressBytes(text).subarray(skip))
        const tcp = packet.subarray(-20)
        expect(addToSum(pseudoHeaderSum(ends[0], ends[1], 6, 20), tcp)).to.equal(ALL_ONES)
        if (skip) expect(addToSum(0, packet, 0, 20)).to.equal(ALL_ONES)
      }),
    )
  })
})

describe('address announcement', () => {
  const mac = Buffer.from('026f76000114', 'hex')

  it('of IPv4 is an ARP request and a reply, both from and for the address', () => {
    const [request, reply] = announcementFrames('10.77.1.20', mac)
    expect(request.toString('hex')).to.equal(
      'ffffffffffff026f7600011408060001080006040001026f760001140a4d01140000000000000a4d0114',
    )
    expect(reply.toString('hex')).to.equal(
      'ffffffffffff026f7600011408060001080006040002026f760001140a4d0114026f760001140a4d0114',
    )
  })

  it('of IPv6 is one advertisement that overrides, to all nodes, with a right checksum', () => {
    const [frame, ...more] = announcementFrames('fd77:1::20', mac)
    expect(more).to.deep.equal([])
    expect(frame.subarray(0, 14).toString('hex')).to.equal('333300000001026f7600011486dd')
    expect(frame[21]).to.equal(255)
    const message = frame.subarray(54)
    expect(message.readUInt32BE(4)).to.equal(0x20_00_00_00)
    expect(formatAddress(message.subarray(8, 24))).to.equal('fd77:1::20')
    expect(message.subarray(24).toString('hex')).to.equal('0201026f76000114')
    const sum = pseudoHeaderSum(addressBytes('fd77:1::20'), addressBytes('ff02::1'), 58, 32)
    expect(addToSum(sum, message)).to.equal(ALL_ONES)
  })
})
