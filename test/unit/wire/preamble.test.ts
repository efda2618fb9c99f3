import balena from '@balena/proxy-protocol-parser'
import {expect} from 'chai'
import fc from 'fast-check'
import {createHmac} from 'node:crypto'
import {isIPv6} from 'node:net'
import {V2ProxyProtocol} from 'proxy-protocol-js'

import {addressBytes} from '../../../src/lib/wire/endpoint.js'
import {
  MAX_PREAMBLE_LENGTH,
  Preamble,
  PreambleFields,
  TLV_AUTHENTICATION,
  TLV_CHALLENGE,
  audienceIs,
  parsePreamble,
  preambleLength,
  preambleMacIsGood,
  writePreamble,
  PreambleKey,
} from '../../../src/lib/wire/preamble.js'
import {MAX_TOTAL_LENGTH, Malformed, SIGNATURE} from '../../../src/lib/wire/proxy-protocol.js'

const secret = Buffer.alloc(32, 0x5a)
const key = new PreambleKey(7, secret)

function fields(overrides: Partial<PreambleFields> = {}): PreambleFields {
  const made = new PreambleFields()
  made.source = addressBytes('192.0.2.7')
  made.sourcePort = 4711
  made.destination = addressBytes('10.9.0.5')
  made.destinationPort = 443
  made.timestamp = 1_763_800_000_123
  made.instance = Buffer.from('0102030405060708', 'hex')
  made.counter = 2 ** 40 + 5
  made.audience = addressBytes('203.0.113.9')
  made.audiencePort = 7000
  return Object.assign(made, overrides)
}

function write(made: PreambleFields): Buffer {
  const bytes = Buffer.alloc(preambleLength(made))
  expect(writePreamble(bytes, 0, made, key, Buffer.alloc(32))).to.equal(bytes.length)
  return bytes
}

/** A header of ours with other TLVs, length set right. */
function withTlvs(...tlvs: Buffer[]): Buffer {
  const start = write(fields()).subarray(0, 28)
  const bytes = Buffer.concat([start, ...tlvs])
  bytes.writeUInt16BE(bytes.length - 16, 14)
  return bytes
}

function tlv(type: number, value: Buffer): Buffer {
  const header = Buffer.alloc(3)
  header[0] = type
  header.writeUInt16BE(value.length, 1)
  return Buffer.concat([header, value])
}

const parse = (bytes: Buffer, into = new Preamble()): number => parsePreamble(bytes, 0, bytes.length, into)

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6().filter((text) => isIPv6(text) && !text.includes('.'))
const port = fc.integer({min: 1, max: 65_535})

describe('preamble', () => {
  it('stands on the wire as its page says', () => {
    const bytes = write(fields({challenge: Buffer.alloc(16, 0xcc)}))
    const nonce = '01020304050607080000010000000005'
    expect(bytes.subarray(0, -32).toString('hex')).to.equal(
      SIGNATURE.toString('hex') +
        '2111' +
        (12 + 19 + 19 + 81).toString(16).padStart(4, '0') +
        ['c0000207', '0a090005', '1267', '01bb'].join('') +
        ['050010', nonce].join('') +
        ['e10010', 'cc'.repeat(16)].join('') +
        ['e0004e', '01', '00', '0007', '0000019aaaac267b', nonce].join('') +
        ['00000000000000000000ffffcb007109', '1b58'].join(''),
    )
    const mac = createHmac('sha256', secret).update(bytes.subarray(0, -32)).digest()
    expect(bytes.subarray(-32).equals(mac)).to.equal(true)
  })

  it('reads back what was written, whatever the addresses', () => {
    fc.assert(
      fc.property(
        fc.oneof(ipv4, ipv6),
        port,
        fc.oneof(ipv4, ipv6),
        port,
        fc.integer({min: 1, max: Number.MAX_SAFE_INTEGER}),
        fc.option(fc.uint8Array({minLength: 16, maxLength: 16})),
        (source, sourcePort, destination, destinationPort, counter, challenge) => {
          const bytes = write(
            fields({
              source: addressBytes(source),
              sourcePort,
              destination: addressBytes(destination),
              destinationPort,
              counter,
              challenge: challenge && Buffer.from(challenge),
            }),
          )
          expect(bytes.length).to.be.at.most(MAX_PREAMBLE_LENGTH)
          const read = new Preamble()
          const withMore = Buffer.concat([bytes, Buffer.from('client bytes')])
          expect(parse(withMore, read)).to.equal(bytes.length)
          expect(read.header.source.equals(addressBytes(source))).to.equal(true)
          expect(read.header.destination.equals(addressBytes(destination))).to.equal(true)
          expect(read.header.sourcePort).to.equal(sourcePort)
          expect(read.header.destinationPort).to.equal(destinationPort)
          expect(read).to.include({keyId: 7, timestamp: 1_763_800_000_123, counter, local: false})
          expect(read).to.include({instanceHigh: 0x01_02_03_04, instanceLow: 0x05_06_07_08})
          expect(preambleMacIsGood(withMore, 0, read, key)).to.equal(true)
          expect(audienceIs(withMore, 0, read, addressBytes('203.0.113.9'), 7000)).to.equal(true)
          expect(audienceIs(withMore, 0, read, addressBytes('203.0.113.9'), 7001)).to.equal(false)
          expect(audienceIs(withMore, 0, read, addressBytes('203.0.113.8'), 7000)).to.equal(false)
          if (challenge)
            expect([...bytes.subarray(read.challengeAt, read.challengeAt + 16)]).to.deep.equal([...challenge])
          else expect(read.challengeAt).to.equal(0)
        },
      ),
    )
  })

  it('is a PROXY header to two other implementations', () => {
    fc.assert(
      fc.property(ipv4, port, ipv4, port, (source, sourcePort, destination, destinationPort) => {
        const bytes = write(
          fields({source: addressBytes(source), sourcePort, destination: addressBytes(destination), destinationPort}),
        )
        const {proxyAddress} = V2ProxyProtocol.parse(bytes)
        const seen = proxyAddress as unknown as {
          sourceAddress: {address: Uint8Array}
          sourcePort: number
          destinationAddress: {address: Uint8Array}
          destinationPort: number
        }
        expect([...seen.sourceAddress.address].join('.')).to.equal(source)
        expect([...seen.destinationAddress.address].join('.')).to.equal(destination)
        expect(seen).to.include({sourcePort, destinationPort})
        const decoded = balena.decode(bytes)
        expect(decoded).to.include({
          remoteAddress: source,
          remotePort: sourcePort,
          localAddress: destination,
          localPort: destinationPort,
        })
      }),
    )
  })

  it('needs every byte: no prefix is complete, none is refused', () => {
    for (const made of [fields(), fields({local: true}), fields({source: addressBytes('fd00::1')})]) {
      const bytes = write(made)
      for (let length = 0; length < bytes.length; length++) expect(parse(bytes.subarray(0, length))).to.equal(0)
    }
  })

  it('refuses a first byte, version or family that can no longer become good at once', () => {
    const cases: [number, number, number][] = [
      [0, 0x47, Malformed.Signature],
      [11, 0, Malformed.Signature],
      [12, 0x11, Malformed.Version],
      [12, 0x22, Malformed.Version],
      [13, 0x12, Malformed.Family],
      [13, 0x31, Malformed.Family],
      [13, 0x00, Malformed.Family],
    ]
    for (const [at, value, reason] of cases) {
      const bytes = Buffer.from(write(fields()).subarray(0, at + 1))
      bytes[at] = value
      expect(parse(bytes), `byte ${at} = ${value}`).to.equal(-reason)
    }

    const local = write(fields({local: true}))
    local[13] = 0x11
    expect(parse(local.subarray(0, 14))).to.equal(-Malformed.Family)
  })

  it('refuses a length that it would have to wait for', () => {
    const bytes = write(fields()).subarray(0, 16)
    bytes.writeUInt16BE(MAX_TOTAL_LENGTH - 16 + 1, 14)
    expect(parse(bytes)).to.equal(-Malformed.Length)
    bytes.writeUInt16BE(11, 14)
    expect(parse(bytes)).to.equal(-Malformed.Length)
  })

  it('refuses TLVs that are missing, doubled, cut, misplaced or of the wrong length', () => {
    const good = write(fields())
    const unique = good.subarray(28, 28 + 19)
    const authentication = good.subarray(28 + 19)
    expect(parse(withTlvs(unique, authentication))).to.equal(good.length)
    expect(
      parse(withTlvs(tlv(0x04, Buffer.alloc(5)), unique, tlv(0xee, Buffer.alloc(0)), authentication)),
    ).to.be.greaterThan(0)
    expect(parse(withTlvs(unique))).to.equal(-Malformed.Authentication)
    expect(parse(withTlvs(authentication))).to.equal(-Malformed.UniqueId)
    expect(parse(withTlvs(unique, unique, authentication))).to.equal(-Malformed.Duplicate)
    expect(parse(withTlvs(unique, authentication, authentication))).to.equal(-Malformed.Order)
    expect(parse(withTlvs(authentication, unique))).to.equal(-Malformed.Order)
    const challenge = tlv(TLV_CHALLENGE, Buffer.alloc(16))
    expect(parse(withTlvs(unique, challenge, challenge, authentication))).to.equal(-Malformed.Duplicate)
    expect(parse(withTlvs(unique, tlv(TLV_CHALLENGE, Buffer.alloc(15)), authentication))).to.equal(
      -Malformed.Authentication,
    )
    expect(parse(withTlvs(unique, tlv(TLV_AUTHENTICATION, authentication.subarray(3, 80))))).to.equal(
      -Malformed.Authentication,
    )
    expect(parse(withTlvs(tlv(0x05, Buffer.alloc(16)), authentication))).to.equal(-Malformed.UniqueId)
    expect(parse(withTlvs(unique, authentication.subarray(0, 40)))).to.equal(-Malformed.Tlv)
    expect(parse(withTlvs(unique, Buffer.from([0xe0])))).to.equal(-Malformed.Tlv)
    const flags = Buffer.from(authentication)
    flags[4] = 1
    expect(parse(withTlvs(unique, flags))).to.equal(-Malformed.Authentication)
    const counterZero = Buffer.concat([Buffer.alloc(8, 1), Buffer.alloc(8)])
    const zero = Buffer.from(authentication)
    counterZero.copy(zero, 15)
    expect(parse(withTlvs(tlv(0x05, counterZero), zero))).to.equal(-Malformed.Authentication)
  })

  it('has a good MAC only as it was written', () => {
    const good = write(fields())
    const read = new Preamble()
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({min: 1, max: 255}), (at, flip) => {
        const bad = Buffer.from(good)
        bad[at] ^= flip
        const length = parse(bad, read)
        expect(length > 0 && preambleMacIsGood(bad, 0, read, key)).to.equal(false)
      }),
      {numRuns: 1000},
    )
    expect(parse(good, read)).to.equal(good.length)
    expect(preambleMacIsGood(good, 0, read, new PreambleKey(7, Buffer.alloc(32, 0x5b)))).to.equal(false)
  })

  it('never throws and never reads beyond what is there', () => {
    const good = write(fields({challenge: Buffer.alloc(16, 1)}))
    const read = new Preamble()
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({maxLength: 600}).map((bytes) => Buffer.from(bytes)),
          fc.uint8Array({maxLength: 560}).map((bytes) => Buffer.concat([SIGNATURE, Buffer.from(bytes)])),
          fc.uint8Array({maxLength: 520}).map((bytes) => withTlvs(Buffer.from(bytes))),
          fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), {maxLength: 6}).map((changes) => {
            const bytes = Buffer.from(good)
            for (const [at, value] of changes) bytes[at] = value
            return bytes
          }),
        ),
        (bytes) => {
          const length = parse(bytes, read)
          expect(length).to.be.within(-9, bytes.length)
        },
      ),
      {numRuns: 3000},
    )
  })
})
