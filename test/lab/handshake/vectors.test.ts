import {expect} from 'chai'
import {randomBytes, randomInt} from 'node:crypto'

import {bpfObjectPath} from '../../../src/lib/handshake/bpf-objects.js'
import {decodeOptions, encodeOptions, flowHash} from '../../../src/lib/handshake/suggested-isn.js'
import {BpfObject} from '../../../src/lib/kernel/bpf-object.js'
import {addressBytes, formatAddress} from '../../../src/lib/wire/endpoint.js'

/** struct vector of bpf/handshake-vectors.bpf.c */
const BYTES = 88

function randomInput() {
  const address = () =>
    formatAddress(randomInt(2) ? addressBytes(`10.${randomInt(256)}.0.${randomInt(256)}`) : randomBytes(16))
  return {
    edge: {address: address(), port: randomInt(1, 65_536)},
    gateway: {address: address(), port: randomInt(1, 65_536)},
    windowScale: randomInt(15),
    mss: randomInt(65_536),
    sackPermitted: randomInt(2) === 1,
    bucket: randomBytes(4).readUInt32LE(),
    key: randomBytes(16),
  }
}

describe('suggested number and options: TypeScript against BPF', () => {
  let object: BpfObject

  before(() => {
    object = BpfObject.load(bpfObjectPath('handshake-vectors'))
  })

  after(() => object.close())

  function run(input: ReturnType<typeof randomInput>) {
    const vector = Buffer.alloc(BYTES)
    addressBytes(input.edge.address).copy(vector, 0)
    addressBytes(input.gateway.address).copy(vector, 16)
    vector.writeUInt16BE(input.edge.port, 32)
    vector.writeUInt16BE(input.gateway.port, 34)
    vector.writeUInt32LE(input.windowScale, 36)
    vector.writeUInt32LE(input.mss, 40)
    vector.writeUInt32LE(input.sackPermitted ? 1 : 0, 44)
    vector.writeUInt32LE(input.bucket, 48)
    input.key.copy(vector, 56)
    const map = object.getMap('vectors')
    map.update(Buffer.alloc(4), vector)
    expect(object.testRun('handshake_vector', Buffer.alloc(64))).to.equal(0)
    const out = map.lookup(Buffer.alloc(4))!
    return {options: out.readUInt32LE(72), hash: out.readUInt32LE(76), mssBack: out.readUInt32LE(80)}
  }

  it('agree on 2,000 random inputs', () => {
    for (let i = 0; i < 2000; i++) {
      const input = randomInput()
      const seen = run(input)
      const options = encodeOptions(input)
      const message = JSON.stringify(input)
      expect(seen.options, message).to.equal(options)
      expect(seen.hash, message).to.equal(flowHash(input.key, input.edge, input.gateway, options, input.bucket))
      expect(seen.mssBack, message).to.equal(decodeOptions(options)!.mss)
    }
  })

  it('agree on every MSS', () => {
    const input = randomInput()
    for (let mss = 0; mss <= 9100; mss += 20) {
      const seen = run({...input, mss})
      expect(seen.options).to.equal(encodeOptions({...input, mss}))
    }
  })
})
