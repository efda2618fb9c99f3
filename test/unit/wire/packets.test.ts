import {expect} from 'chai'
import {assert as holds, integer, option, property, record, uint8Array} from 'fast-check'

import {addToSum, finishSum, pseudoHeaderSum} from '../../../src/lib/wire/internet-checksum.js'
import {addressBytes} from '../../../src/lib/wire/endpoint.js'
import {decodeIcmpError, decodeIcmpMessage} from '../../../src/lib/wire/icmp.js'
import {decodeIpPacket} from '../../../src/lib/wire/ip-packet.js'
import {ipOfFrame} from '../../../src/lib/wire/link-layer.js'
import {encodeOptions} from '../../../src/lib/wire/tcp-options.js'
import {encodeIp} from '../../../src/lib/wire/tcp-packet.js'
import {decodeIp, decodeOptions, decodeTcp} from '../../../src/lib/wire/tcp-segment.js'
import {Random} from '../replication/random.js'

/** A short sample in every run; all of it by `npm run test:fuzz`. */
const PACKETS = Number(process.env.OVERLAY_FUZZ ?? 2000)
const SEED = Number(process.env.OVERLAY_FUZZ_SEED ?? 1)

const word = integer({min: 0, max: 0xff_ff_ff_ff})
const half = integer({min: 0, max: 0xff_ff})
const byte = integer({min: 0, max: 0xff})
const anyOptions = record(
  {
    maximumSegmentSize: half,
    windowScale: byte,
    timestamps: record({value: word, echo: word}),
    fastOpenCookie: uint8Array({maxLength: 16}),
  },
  {requiredKeys: []},
)

describe('packets', () => {
  it('options are read as they were written', () => {
    holds(
      property(anyOptions, (options) => {
        const bytes = encodeOptions(options)
        expect(bytes.length % 4).to.equal(0)
        expect(decodeOptions(bytes)).to.deep.equal(options)
      }),
    )
  })

  it('a segment is read as it was written, with good checksums, in both families', () => {
    holds(
      property(
        record({a: half, b: half, sequence: word, acknowledgment: word, flags: byte, window: half, hopLimit: byte}),
        option(uint8Array({maxLength: 1400}), {nil: undefined}),
        anyOptions,
        (fields, payload, options) => {
          for (const [source, destination] of [
            ['10.0.0.1', '192.0.2.9'],
            ['fd00::1', '2001:db8::2'],
          ]) {
            const {a, b, ...segment} = fields
            const bytes = encodeIp({
              ...segment,
              source: {address: source, port: a},
              destination: {address: destination, port: b},
              options,
              payload,
              trafficClass: 0x2e,
            })
            const ip = decodeIpPacket(bytes)!
            expect([ip.source, ip.destination, ip.hopLimit, ip.trafficClass]).to.deep.equal([
              source,
              destination,
              fields.hopLimit,
              0x2e,
            ])
            const tcp = decodeTcp(ip)!
            const {sequence, acknowledgment, flags, window} = fields
            expect(tcp).to.deep.include({sourcePort: a, destinationPort: b, sequence, acknowledgment, flags, window})
            expect(tcp.options).to.deep.equal(options)
            expect(Buffer.from(tcp.payload)).to.deep.equal(Buffer.from(payload ?? []))
            const part = ip.version === 4 ? 12 : 0
            const pseudo = pseudoHeaderSum(
              addressBytes(source).subarray(part),
              addressBytes(destination).subarray(part),
              6,
              ip.payloadLength,
            )
            expect(finishSum(addToSum(pseudo, ip.payload))).to.equal(0)
            if (ip.version === 4) expect(finishSum(addToSum(0, bytes.subarray(0, 20)))).to.equal(0)
          }
        },
      ),
    )
  })

  it('IPv6 extension headers are passed over', () => {
    const tcp = encodeIp({
      source: {address: 'fd00::1', port: 1},
      destination: {address: 'fd00::2', port: 2},
      sequence: 7,
      acknowledgment: 0,
      flags: 2,
      window: 9,
    })
    // hop-by-hop of 16 bytes, authentication of 12, destination options of 8
    const extensions = Buffer.alloc(36)
    extensions.set([51, 1], 0)
    extensions.set([60, 1], 16)
    extensions.set([6, 0], 28)
    const packet = Buffer.concat([tcp.subarray(0, 40), extensions, tcp.subarray(40)])
    packet[6] = 0
    packet.writeUInt16BE(packet.length - 40, 4)
    expect(decodeIpPacket(packet)!.headerLength).to.equal(76)
    expect(decodeIp(packet)).to.deep.include({sequence: 7, sourcePort: 1, window: 9})
    for (let length = 0; length < 96; length++) expect(decodeIp(packet.subarray(0, length))).to.equal(null)
  })

  it(`${PACKETS} malformed packets: no exception, and nothing read beyond their end`, function () {
    this.timeout(600_000)
    const random = new Random(SEED)
    const seeds = [4, 6].flatMap((version) => seedPackets(version === 6))
    for (let round = 0; round < PACKETS; round++) {
      // Behind the packet lie bytes that no reader may see: the result must not depend on them.
      const base = Buffer.from(seeds[random.between(0, seeds.length - 1)])
      for (let change = random.between(0, 5); change >= 0; change--)
        base[random.between(0, base.length - 1)] = random.between(0, 255)
      const length = random.chance(0.25) ? random.between(0, base.length) : base.length
      const results = [0, 0xff].map((fill) => {
        const room = Buffer.alloc(length + 256, fill)
        base.copy(room, 0, 0, length)
        return JSON.stringify(readAll(room.subarray(0, length)))
      })
      expect(results[0], `seed ${SEED}, packet ${round}: ${base.subarray(0, length).toString('hex')}`).to.equal(
        results[1],
      )
    }
  })
})

/** SYNs, data, and ICMP errors that quote them. */
function seedPackets(ipv6: boolean): Buffer[] {
  const [source, destination] = ipv6 ? ['fd00::1', 'fd00::2'] : ['10.0.0.1', '10.0.0.2']
  const segment = encodeIp({
    source: {address: source, port: 40_000},
    destination: {address: destination, port: 80},
    sequence: 1,
    acknowledgment: 2,
    flags: 2,
    window: 3,
    options: {maximumSegmentSize: 1460, sackPermitted: true, timestamps: {value: 1, echo: 2}, windowScale: 10},
    payload: Buffer.from('some bytes'),
  })
  const header = segment.subarray(0, ipv6 ? 40 : 20)
  const quote = Buffer.concat([Buffer.from(header), Buffer.from(ipv6 ? [3, 0] : [11, 0]), Buffer.alloc(6), segment])
  if (ipv6) {
    quote[6] = 58
    quote.writeUInt16BE(quote.length - 40, 4)
  } else {
    quote[9] = 1
    quote.writeUInt16BE(quote.length, 2)
  }

  const extended = Buffer.concat([Buffer.from(header), Buffer.alloc(24), segment.subarray(header.length)])
  if (ipv6) {
    extended[6] = 0
    extended.set([44, 0], 40)
    extended.set([60, 0], 48)
    extended.set([6, 0], 56)
    extended.writeUInt16BE(extended.length - 40, 4)
  } else {
    extended[0] = 0x4b
    extended.writeUInt16BE(extended.length, 2)
  }

  return [segment, quote, extended]
}

/** Everything that a parser makes of a packet, payloads as lengths. */
function readAll(bytes: Uint8Array): unknown {
  const ip = decodeIpPacket(bytes)
  const inFrames = [1, 12, 101, 113, 276, 7].map((linkType) => ipOfFrame(linkType, bytes)?.length)
  return [
    ip && {...ip, payload: ip.payload.length},
    decodeIp(bytes),
    ip && decodeIcmpError(ip),
    decodeIcmpMessage(bytes, false),
    decodeIcmpMessage(bytes, true),
    decodeOptions(bytes.subarray(0, 40)),
    inFrames,
  ]
}
