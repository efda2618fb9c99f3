import {expect} from 'chai'
import {assert as holds, integer, ipV4, ipV6, property, string} from 'fast-check'

import {OverlayError} from '../../../src/lib/errors/index.js'
import {checkSource, parseTarget, resolveTarget} from '../../../src/lib/probe/target.js'

describe('target', () => {
  for (const [text, host, port] of [
    ['example.net', 'example.net', 443],
    ['example.net:80', 'example.net', 80],
    ['192.0.2.1', '192.0.2.1', 443],
    ['192.0.2.1:1', '192.0.2.1', 1],
    ['2001:db8::1', '2001:db8::1', 443],
    ['[2001:db8::1]', '2001:db8::1', 443],
    ['[2001:db8::1]:65535', '2001:db8::1', 65_535],
  ] as const) {
    it(`reads ${text}`, () => expect(parseTarget(text, 443)).to.deep.equal({host, port}))
  }

  for (const text of [
    '',
    ':80',
    'a b',
    '192.0.2.256',
    '[192.0.2.1]',
    'x:0',
    'x:65536',
    '[::1',
    'fe80::1%eth0',
    'x:y',
  ]) {
    it(`refuses "${text}"`, () => expect(() => parseTarget(text, 443)).to.throw(OverlayError, `target "${text}"`))
  }

  it('reads every address with a port, and throws nothing but OverlayError', () => {
    const port = integer({min: 1, max: 65_535})
    holds(
      property(ipV4(), ipV6(), port, (v4, v6, at) => {
        expect(parseTarget(`${v4}:${at}`, 1)).to.deep.equal({host: v4, port: at})
        expect(parseTarget(`[${v6}]:${at}`, 1)).to.deep.equal({host: v6, port: at})
      }),
    )
    holds(
      property(string(), (text) => {
        try {
          parseTarget(text, 443)
        } catch (error) {
          expect(error).to.be.instanceOf(OverlayError)
        }
      }),
    )
  })

  it('of an address asks no resolver, and holds it to the family', async () => {
    expect(await resolveTarget('[::1]:9', 443, 6)).to.deep.equal({name: '[::1]:9', address: '::1', port: 9})
    const spelled = await resolveTarget('[2001:DB8:0:0::1]:9', 443, 0)
    expect(spelled, 'as packets have it').to.deep.include({name: '[2001:DB8:0:0::1]:9', address: '2001:db8::1'})
    const refused = await resolveTarget('127.0.0.1', 443, 6).catch((error: OverlayError) => error.code)
    expect(refused).to.equal('USAGE')
  })

  it("a source is an address of this host, of the targets' family", () => {
    const target = {name: 'a:1', address: '2001:db8::1', port: 1}
    expect(checkSource('2001:DB8:0::2', [target], (address) => address === '2001:db8::2')).to.equal('2001:db8::2')
    expect(() => checkSource('2001:db8::2', [target], () => false)).to.throw(/no such address/)
    expect(() => checkSource('192.0.2.1', [target], () => true)).to.throw(/a:1 is no IPv4 target/)
    expect(checkSource('127.0.0.1', [])).to.equal('127.0.0.1')
    expect(() => checkSource('192.0.2.1', []), 'RFC 5737').to.throw(/no such address/)
  })
})
