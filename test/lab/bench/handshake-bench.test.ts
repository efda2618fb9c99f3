import {expect} from 'chai'
import {execFile} from 'node:child_process'
import {fileURLToPath} from 'node:url'

import {benchHandshake} from '../../../src/lib/bench/handshake-bench.js'
import type {Contact} from '../../../src/lib/bench/samples.js'
import {DEFAULT_PATHS, handshakeBenchSchema, type HandshakeBench} from '../../../src/lib/bench/schema.js'

const OVERLAY = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))

describe('overlay bench handshake', () => {
  let bench: HandshakeBench

  before(async () => {
    bench = await benchHandshake({
      rttMs: {clientEdge: 4, edgeGateway: 40, gatewayOrigin: 2},
      requestSizes: [100, 4096, 65_536],
      paths: DEFAULT_PATHS,
      // A busy machine delays, and never makes anything earlier: the least of each is compared.
      rounds: 5,
      repeats: 1,
      congestionControl: 'reno',
    })
  })

  const least = (time: 'firstByteMs' | 'requestAtOriginMs', name: string, size: number, contact: Contact): number => {
    const result = bench.paths.find((path) => path.name === name)?.sizes.find((entry) => entry.requestBytes === size)
    return result?.[contact][time]?.min ?? Number.NaN
  }

  const middleConnect = (name: string) => bench.paths.find((path) => path.name === name)?.middleConnectMs?.p50
  const firstByte = (name: string, size: number, contact: Contact) => least('firstByteMs', name, size, contact)
  const atOrigin = (name: string, size: number, contact: Contact) => least('requestAtOriginMs', name, size, contact)

  it('gives results that fit the schema, without errors', () => {
    handshakeBenchSchema.parse(bench)
    expect(bench.floorMs).to.deep.equal({requestAtOrigin: 27, firstByte: 50})
    for (const path of bench.paths) expect(path, path.name).to.deep.include({errors: 0, errorMessages: []})
  })

  it('direct takes two round trips of the whole path', () => {
    expect(firstByte('direct', 100, 'repeated')).to.be.within(92, 100)
  })

  for (const name of ['haproxy', 'nginx']) {
    it(`${name} pays the handshake of the middle leg`, () => {
      expect(firstByte(name, 100, 'repeated')).to.be.within(90, 105)
    })
  }

  for (const size of [100, 4096, 65_536]) {
    for (const contact of ['first', 'repeated'] as const) {
      it(`zero-RTT brings ${size} bytes to the origin one round trip earlier than split, ${contact} contact`, () => {
        expect(atOrigin('split', size, contact) - atOrigin('zero-rtt', size, contact)).to.be.within(36, 44)
      })
    }
  }

  it('connect() on the middle leg takes under 1 ms with zero-RTT, and a round trip without', () => {
    expect(middleConnect('zero-rtt')).to.be.below(1)
    expect(middleConnect('split')).to.be.within(39, 46)
  })

  it('TCP Fast Open saves it only when warm, and only for what fits the SYN', () => {
    expect(atOrigin('haproxy-tfo', 100, 'first')).to.be.within(67, 80)
    expect(atOrigin('haproxy-tfo', 100, 'repeated')).to.be.within(27, 38)
    expect(atOrigin('haproxy-tfo', 4096, 'repeated')).to.be.within(67, 80)
  })

  it('without capabilities it ends with exit code 5 and says so in JSON', async () => {
    // Root's files can still be read: only the capabilities are gone.
    const [program, ...words] = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', process.execPath, OVERLAY]
    const {code, stdout} = await new Promise<{code: number; stdout: string}>((resolve) => {
      execFile(program, [...words, 'bench', 'handshake', '--rounds', '1', '--json'], (error, out) =>
        resolve({code: Number(error?.code ?? 0), stdout: out}),
      )
    })
    expect(code, stdout).to.equal(5)
    expect(JSON.parse(stdout)).to.have.nested.property('error.code', 'PRIVILEGE_MISSING')
  })
})
