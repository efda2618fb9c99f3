import {expect} from 'chai'

import {Lease} from '../../../src/lib/replication/lease.js'

describe('lease', () => {
  it('counts from the time a heartbeat was sent, not from its answer', () => {
    const lease = new Lease(250)
    lease.becomeAlone()
    expect(lease.valid(1e9)).to.equal(true)
    lease.becomePaired(1000)
    lease.beat(1100)
    expect(lease.renew(1100)).to.equal(true)
    expect(lease.valid(1349.9)).to.equal(true)
    expect(lease.valid(1350)).to.equal(false)
    expect(lease.renew(1101)).to.equal(false)
  })

  // Found by seed 982: the holder took over between its HELLO and the snapshot.
  it('that has run out is not renewed by a snapshot', () => {
    const lease = new Lease(250)
    lease.becomeAlone()
    lease.becomePaired(1000)
    lease.becomePaired(2000)
    expect(lease.valid(2000)).to.equal(false)
  })

  it('is silent while the address is given away', () => {
    const lease = new Lease(250)
    lease.becomeAlone()
    lease.give()
    expect(lease.valid(0)).to.equal(false)
    lease.takeBack()
    expect(lease.valid(0)).to.equal(true)
  })
})
