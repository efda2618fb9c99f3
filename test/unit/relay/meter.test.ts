import {expect} from 'chai'
import fc from 'fast-check'

import {Admission, Meter, Meters, clientKey, originKey} from '../../../src/lib/relay/meter.js'
import {addressBytes} from '../../../src/lib/wire/endpoint.js'

describe('a meter of connections', () => {
  it('grants as many as the limit allows at a time', () => {
    const meter = new Meter()
    const limit = {connections: 2, rate: 0}
    expect([0, 0, 0].map((now) => meter.admit(limit, now))).to.deep.equal([
      Admission.Granted,
      Admission.Granted,
      Admission.TooMany,
    ])
    meter.release()
    expect(meter.admit(limit, 1)).to.equal(Admission.Granted)
    expect(meter.admit({connections: 0, rate: 0}, 1), '0 is no limit').to.equal(Admission.Granted)
  })

  it('grants a burst of one second, then the rate', () => {
    const meter = new Meter()
    const limit = {connections: 0, rate: 10}
    const granted = (now: number, tries: number): number => {
      let count = 0
      for (let i = 0; i < tries; i++) if (meter.admit(limit, now) === Admission.Granted) count++
      return count
    }

    expect(granted(1000, 50)).to.equal(10)
    expect(granted(1050, 5)).to.equal(0)
    expect(granted(1100, 5)).to.equal(1)
    expect(granted(1600, 50)).to.equal(5)
    expect(granted(60_000, 50)).to.equal(10)
  })

  it('never grants more than burst and rate together, whenever it is asked', () => {
    fc.assert(
      fc.property(
        fc.integer({min: 1, max: 50}),
        fc.array(fc.integer({min: 0, max: 400}), {minLength: 1, maxLength: 200}),
        (rate, gaps) => {
          const meter = new Meter()
          let now = 0
          let granted = 0
          for (const gap of gaps) {
            now += gap
            if (meter.admit({connections: 0, rate}, now) === Admission.Granted) granted++
          }

          return granted <= rate + (now * rate) / 1000 + 1e-6
        },
      ),
    )
  })
})

describe('meters by key', () => {
  const limit = {connections: 5, rate: 10}

  it('keeps one for each key', () => {
    const meters = new Meters<number>(10)
    expect(meters.of(1, limit, 0)).to.equal(meters.of(1, limit, 0))
    expect(meters.of(1, limit, 0)).not.to.equal(meters.of(2, limit, 0))
  })

  it('stays within its bound: idle ones go, those in use stay, and beyond that nobody is counted', () => {
    const meters = new Meters<number>(100)
    const used = meters.of(0, limit, 0)!
    used.admit(limit, 0)
    for (let key = 1; key < 5000; key++) {
      const meter = meters.of(key, limit, 0)
      if (meter !== null && meter.admit(limit, 0) === Admission.Granted) meter.release()
      expect(meters.size).to.be.at.most(100)
    }

    expect(meters.of(9999, limit, 0), 'all were used just now').to.equal(null)
    expect(meters.of(9999, limit, 2000), 'a second later they are idle').not.to.equal(null)
    expect(meters.size).to.equal(2)
    expect(meters.of(0, limit, 2000)).to.equal(used)
  })

  it('counts IPv4 clients by address, IPv6 clients by /64, origins by address and port', () => {
    const key = (address: string): number | string => clientKey(addressBytes(address))
    expect(key('192.0.2.1')).not.to.equal(key('192.0.2.2'))
    expect(key('2001:db8::1')).to.equal(key('2001:db8::ffff:1'))
    expect(key('2001:db8::1')).not.to.equal(key('2001:db8:0:1::1'))
    expect(originKey(addressBytes('::1'), 80)).not.to.equal(originKey(addressBytes('::1'), 81))
  })
})
