import {expect} from 'chai'

import {
  decodeSeenSyn,
  encodeSetupRole,
  encodeSetupSettings,
  isnDifference,
  listeningKey,
  NO_WINDOW_SCALE,
  SEEN_SYN_BYTES,
  SETUP_SETTINGS_BYTES,
  setupKey,
  type SeenSyn,
} from '../../../src/lib/gate/setup-maps.js'
import {encodeSynAck} from '../../../src/lib/gate/setup-syn-ack.js'
import {gatedKey} from '../../../src/lib/gate/gate-maps.js'
import {Key} from '../../../src/lib/keys/key-file.js'
import {addToSum, pseudoHeaderSum} from '../../../src/lib/wire/internet-checksum.js'

const SEEN: SeenSyn = {
  atMs: 1,
  isn: 0xff_ff_ff_ff,
  iss: 0x01_02_03_04,
  tsval: 0x11_22_33_44,
  clientTsval: 0x55_66_77_88,
  options: 0x2_e7,
  mss: 1460,
}

const ADDRESSES = {
  ipv4: {local: {address: '10.77.1.10', port: 443}, remote: {address: '10.77.1.11', port: 40_000}},
  ipv6: {local: {address: 'fd77:1::10', port: 443}, remote: {address: 'fd77:1::11', port: 40_000}},
}

describe('set-up plane: packets and maps', () => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    it(`${family}: a SYN/ACK has its numbers, options and checksums`, () => {
      const packet = encodeSynAck(gatedKey(ADDRESSES[family]), SEEN)
      const at = family === 'ipv4' ? 20 : 40
      expect(packet.length).to.equal(at + 40)
      const tcp = packet.subarray(at)
      expect([tcp.readUInt16BE(0), tcp.readUInt16BE(2)]).to.deep.equal([443, 40_000])
      expect(tcp.readUInt32BE(4)).to.equal(SEEN.iss)
      expect(tcp.readUInt32BE(8)).to.equal(0)
      expect(tcp.subarray(12, 16).toString('hex')).to.equal('a012ffff')
      expect(tcp.subarray(20).toString('hex')).to.equal('020405b40402080a11223344556677880103030a')
      const source = packet.subarray(at === 20 ? 12 : 8, at === 20 ? 16 : 24)
      const destination = packet.subarray(at === 20 ? 16 : 24, at === 20 ? 20 : 40)
      expect(addToSum(pseudoHeaderSum(source, destination, 6, 40), tcp)).to.equal(0xff_ff)
      if (family === 'ipv4') expect(addToSum(0, packet.subarray(0, 20))).to.equal(0xff_ff)
    })
  }

  it('what a client did not offer is not in its SYN/ACK', () => {
    const options = 0x3_00 | NO_WINDOW_SCALE
    const tcp = encodeSynAck(gatedKey(ADDRESSES.ipv4), {...SEEN, options}).subarray(20)
    expect(tcp.subarray(20).toString('hex')).to.equal('020405b4' + '01010101'.repeat(4))
  })

  it('without timestamps the options are the low bits of the difference', () => {
    expect(isnDifference(0x12_34_56_78, 0x2_e7)).to.equal(0x12_34_56_78)
    expect(isnDifference(0xf2_34_56_78, 0x3_e7)).to.equal(0xf2_34_56_e7)
  })

  it('settings, roles and listeners have the bytes of bpf/setup-maps.h', () => {
    const [current, previous] = [1, 2].map((id) => new Key(id, Buffer.alloc(32, id)))
    const sizes = {mssIPv4: 1460, mssIPv6: 1440, rttGuessMs: 100, clockOffsetSeconds: -3600}
    const bytes = encodeSetupSettings({...sizes, keys: {current, previous}})
    expect(bytes.length).to.equal(SETUP_SETTINGS_BYTES)
    expect(bytes.subarray(0, 32)).to.deep.equal(Buffer.concat([setupKey(current), setupKey(previous)]))
    expect([32, 40, 44, 48].map((at) => bytes.readUInt32LE(at))).to.deep.equal([2, 1460, 1440, 100])
    expect(bytes.readInt32LE(36)).to.equal(-3600)
    expect(encodeSetupSettings({...sizes, keys: {current, previous: null}}).readUInt32LE(32)).to.equal(1)
    expect(encodeSetupRole(true, false).toString('hex')).to.equal('0100000000000000')
    const listener = listeningKey({address: '10.0.0.1', port: 0x12_34})
    expect(listener.toString('hex')).to.equal('00000000000000000000ffff0a00000112340000')
  })

  it('an answered SYN is read back', () => {
    const value = Buffer.alloc(SEEN_SYN_BYTES)
    value.writeBigUInt64LE(1_000_000n, 0)
    for (const [index, field] of (['isn', 'iss', 'tsval', 'clientTsval', 'options', 'mss'] as const).entries()) {
      value.writeUInt32LE(SEEN[field], 8 + 4 * index)
    }

    expect(decodeSeenSyn(value)).to.deep.equal(SEEN)
  })
})
