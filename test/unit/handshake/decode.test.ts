import {expect} from 'chai'

import {parseMountInfo} from '../../../src/lib/kernel/mount-info.js'
import {decodeGatewayKey, decodePath, gatewayKey} from '../../../src/lib/handshake/path-state.js'
import {encodeSettings, SETTINGS_BYTES} from '../../../src/lib/handshake/settings.js'
import {parseKeys} from '../../../src/lib/keys/key-file.js'

const keys = parseKeys(`1 ${'11'.repeat(32)}\n2 ${'22'.repeat(32)}`, 'test')
const settings = {
  keys,
  netnsCookie: 7n,
  clockOffsetSeconds: -60,
  mssIPv4: 1460,
  mssIPv6: 1440,
  rttGuessMs: 100,
  initialWindow: 20,
  keepalive: true,
  congestion: {from: 'bbr', to: 'overlay_bbr'},
}

describe('settings for the programs', () => {
  it('have both keys, the count and the names where bpf/settings.h has them', () => {
    const bytes = encodeSettings(settings)
    expect(bytes.length).to.equal(SETTINGS_BYTES)
    expect(bytes.subarray(0, 16)).to.not.deep.equal(bytes.subarray(16, 32))
    expect(bytes.readBigUInt64LE(32)).to.equal(7n)
    expect(bytes.readUInt32LE(40)).to.equal(2)
    expect(bytes.readInt32LE(44)).to.equal(-60)
    expect(bytes.toString('latin1', 72, 76)).to.equal('bbr\0')
    expect(bytes.toString('latin1', 88, 100)).to.equal('overlay_bbr\0')
  })

  it('with one key have zeros for the other', () => {
    const bytes = encodeSettings({...settings, keys: {...keys, previous: null}, congestion: null})
    expect(bytes.readUInt32LE(40)).to.equal(1)
    expect(bytes.subarray(16, 32).every((byte) => byte === 0)).to.equal(true)
    expect(bytes[88]).to.equal(0)
  })
})

describe('path state', () => {
  it('keys come back as they went', () => {
    for (const gateway of [
      {address: '203.0.113.9', port: 7000},
      {address: '2001:db8::9', port: 65_535},
    ]) {
      expect(decodeGatewayKey(gatewayKey(gateway))).to.deep.equal(gateway)
    }
  })

  it('counts, and tells what nobody has answered yet', () => {
    const value = Buffer.alloc(88)
    const counts = [10, 5, 1, 1, 1, 4]
    for (const [index, count] of counts.entries()) value.writeBigUInt64LE(BigInt(count), index * 8)
    value.writeBigUInt64LE(2000n, 48)
    value.writeBigUInt64LE(80_000_000n, 56)
    value.writeBigUInt64LE(79_000_000n, 64)
    value.writeBigUInt64LE(81_000_000n, 72)
    value.writeUInt32LE(1400, 80)
    const path = decodePath(gatewayKey({address: '203.0.113.9', port: 7000}), value, 1999n)
    expect(path).to.deep.include({syns: 10, confirmed: 5, unanswered: 2, fallbacks: 4, ordinary: true, mss: 1400})
    expect(path.rttMs).to.deep.equal({last: 80, min: 79, smoothed: 81})
    expect(decodePath(gatewayKey({address: '::1', port: 1}), Buffer.alloc(88), 1n)).to.deep.include({
      rttMs: null,
      mss: null,
    })
  })
})

describe('mountinfo', () => {
  it('gives root, path and type, escapes undone', () => {
    const text = `36 35 98:0 / /run/a\\040b rw,noatime shared:1 - bpf bpf rw
37 35 98:0 /system.slice /sys/fs/cgroup ro - cgroup2 cgroup2 rw,nsdelegate
nonsense
`
    expect(parseMountInfo(text)).to.deep.equal([
      {root: '/', path: '/run/a b', type: 'bpf'},
      {root: '/system.slice', path: '/sys/fs/cgroup', type: 'cgroup2'},
    ])
  })
})
