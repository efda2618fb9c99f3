import {expect} from 'chai'

import {Speakers} from '../../../src/lib/failover/owner-watch.js'
import {addToSum, finishSum} from '../../../src/lib/wire/internet-checksum.js'

const VIRTUAL = '10.77.1.20'
const FLAGS = {ack: 0x10, synAck: 0x12}

/** An Ethernet frame with a TCP segment without data. */
function frame(mac: number, source: string, flags: number): Buffer {
  const bytes = Buffer.alloc(54)
  bytes[11] = mac
  bytes.writeUInt16BE(0x08_00, 12)
  bytes[14] = 0x45
  bytes.writeUInt16BE(40, 16)
  bytes[22] = 64
  bytes[23] = 6
  Buffer.from(source.split('.').map(Number)).copy(bytes, 26)
  Buffer.from([10, 77, 1, 11]).copy(bytes, 30)
  bytes.writeUInt16BE(finishSum(addToSum(0, bytes.subarray(14, 34))), 24)
  bytes[46] = 0x50
  bytes[47] = flags
  return bytes
}

/** Moves that are seen of packets, each with its time in ms. */
function movesOf(packets: readonly [number, Buffer][]): number {
  const speakers = new Speakers(VIRTUAL)
  for (const [ms, bytes] of packets) speakers.packet(bytes, 0, bytes.length, bytes.length, 1, 0, ms * 1e6)
  return speakers.moves
}

const said = (mac: number, flags = FLAGS.ack, source = VIRTUAL): Buffer => frame(mac, source, flags)

describe('who speaks for an address', () => {
  it('counts each change of hosts', () => {
    expect(
      movesOf([
        [0, said(1)],
        [10, said(1)],
        [20, said(2)],
        [900, said(1)],
      ]),
    ).to.equal(2)
  })

  it('does not count what was under way', () => {
    expect(
      movesOf([
        [0, said(1)],
        [20, said(2)],
        [21, said(1)],
        [22, said(2)],
      ]),
    ).to.equal(1)
  })

  it('counts a host that comes back later', () => {
    expect(
      movesOf([
        [0, said(1)],
        [20, said(2)],
        [90, said(1)],
      ]),
    ).to.equal(2)
  })

  it('looks at neither SYN/ACKs nor other addresses', () => {
    expect(
      movesOf([
        [0, said(1)],
        [10, said(2, FLAGS.synAck)],
        [20, said(2, FLAGS.ack, '10.77.1.99')],
      ]),
    ).to.equal(0)
  })
})
