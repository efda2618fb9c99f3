import {expect} from 'chai'
import fc from 'fast-check'

import {OverlayError} from '../../../src/lib/errors/index.js'
import {AddressFilter, flowFilter} from '../../../src/lib/relay/flow-filter.js'
import {addressBytes} from '../../../src/lib/wire/endpoint.js'

const filterOf = (text: string): AddressFilter => new AddressFilter(text, '--origin')

describe('filters of flows', () => {
  const cases: [string, string, number, boolean][] = [
    ['192.0.2.7', '192.0.2.7', 1, true],
    ['192.0.2.7', '192.0.2.8', 1, false],
    ['192.0.2.0/24', '192.0.2.8', 65_535, true],
    ['192.0.2.0/24', '192.0.3.8', 1, false],
    ['192.0.2.7:443', '192.0.2.7', 443, true],
    ['192.0.2.7:443', '192.0.2.7', 444, false],
    ['192.0.2.0/24:8000-8099', '192.0.2.9', 8050, true],
    ['fd00::7', 'fd00::7', 1, true],
    ['fd00::/8', 'fdff::1', 1, true],
    ['fd00::/8', 'fe00::1', 1, false],
    ['[fd00::7]', 'fd00::7', 1, true],
    ['[fd00::7]:443', 'fd00::7', 443, true],
    ['[fd00::7]:443', 'fd00::7', 80, false],
    ['[fd00::]/8', 'fd12::1', 80, true],
    ['[fd00::]/8:443', 'fd12::1', 80, false],
    ['::/0', '192.0.2.7', 1, true],
    ['0.0.0.0/0', 'fd00::1', 1, false],
  ]
  for (const [text, address, port, fits] of cases) {
    it(`${text} ${fits ? 'takes' : 'leaves out'} ${address} port ${port}`, () => {
      expect(new AddressFilter(text, '--client').fits(addressBytes(address), port)).to.equal(fits)
    })
  }

  it('whatever else is written is refused with the value, the flag and the way out', () => {
    for (const text of [
      '',
      ':',
      'here',
      '192.0.2',
      '192.0.2.7/33',
      '192.0.2.7:0',
      '192.0.2.7:443x',
      'fd00::/129',
      '[::',
    ]) {
      try {
        filterOf(text)
        expect.fail(`"${text}" was taken`)
      } catch (error) {
        expect(error).to.be.instanceOf(OverlayError)
        expect((error as OverlayError).code).to.equal('USAGE')
        expect((error as OverlayError).message).to.contain(`--origin: "${text}"`)
        expect((error as OverlayError).suggestions).to.have.lengthOf(1)
      }
    }
  })

  it('no text gives anything but a filter or that error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          filterOf(text)
        } catch (error) {
          expect((error as OverlayError).code).to.equal('USAGE')
        }
      }),
    )
  })

  it('an id that none can have is refused', () => {
    for (const flow of ['1', '9f86d081884c7d65', '9f86d081884c7d65-0', '9F86D081884C7D65-1', '9f86d081884c7d65-1 ']) {
      expect(() => flowFilter({flow}), flow).to.throw('not the id of a flow')
    }

    expect(flowFilter({flow: '9f86d081884c7d65-42'}).flow).to.equal('9f86d081884c7d65-42')
  })
})
