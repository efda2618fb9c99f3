import {expect} from 'chai'
import fc from 'fast-check'

import {timestampToRestore, windowToRestore, type ConnectionRecord} from '../../../src/lib/kernel/connection-record.js'

const word = fc.integer({min: 0, max: 0xff_ff_ff_ff})
/** Bytes from a to b on the circle of sequence numbers, negative when b lies before a. */
const distance = (a: number, b: number): number => (b - a) | 0

describe('connection record', () => {
  it('goes on with a timestamp of the same unit, no earlier than the time passed', () => {
    const times = fc.integer({min: 0, max: 1_000_000})
    fc.assert(
      fc.property(word, times, times, fc.integer({min: 0, max: 1000}), (timestamp, readAtMs, later, marginMs) => {
        const restored = timestampToRestore({timestamp, readAtMs}, readAtMs + later, marginMs)
        const perMs = timestamp & 1 ? 1000 : 1
        expect(restored & 1).to.equal(timestamp & 1)
        expect(restored).to.be.within(0, 0xff_ff_ff_ff)
        expect(distance(timestamp, restored)).to.be.within((later + marginMs) * perMs, (later + marginMs) * perMs + 2)
      }),
    )
    expect(timestampToRestore({timestamp: 0xff_ff_ff_fe, readAtMs: 100}, 50, 10)).to.equal(8)
  })

  it('keeps the right edge of the receive window where the peer has seen it', () => {
    const sizes = fc.integer({min: 0, max: 16 * 1024 * 1024})
    fc.assert(
      fc.property(word, sizes, fc.integer({min: -1_000_000, max: 0}), (receiveUpdate, receiveWindow, back) => {
        const record = recordWith({receiveUpdate, receiveWindow}, (receiveUpdate + back) >>> 0)
        const restored = windowToRestore(record)
        expect((restored.receiveUpdate + restored.receiveWindow) >>> 0).to.equal(
          (receiveUpdate + receiveWindow) % 2 ** 32,
        )
        // What tcp_repair_set_window refuses: an update after rcv_nxt, a largest window smaller than today's.
        expect(restored.receiveUpdate).to.equal(record.receiveNext)
        expect(restored.maximumWindow).to.be.at.least(restored.sendWindow)
        expect(distance(restored.sendUpdate, record.receiveNext)).to.equal(1)
      }),
    )
  })

  it('has no window where more was received than the record knows, and room for a FIN that has come', () => {
    const record = recordWith({receiveUpdate: 1000, receiveWindow: 500}, 9000)
    expect(windowToRestore(record).receiveWindow).to.equal(0)
    expect(windowToRestore({...record, finReceived: true}).receiveWindow).to.equal(1)
  })
})

function recordWith(window: {receiveUpdate: number; receiveWindow: number}, receiveNext: number): ConnectionRecord {
  return {
    local: {address: '192.0.2.1', port: 443},
    remote: {address: '192.0.2.2', port: 40_000},
    state: 1,
    sendNext: 1,
    sendUnacknowledged: 1,
    receiveNext,
    finSent: false,
    finReceived: false,
    maximumSegmentSize: 1460,
    windowScaling: true,
    sendScale: 7,
    receiveScale: 7,
    sack: true,
    timestamps: true,
    timestamp: 2,
    readAtMs: 0,
    window: {sendUpdate: 0, sendWindow: 65_535, maximumWindow: 1000, ...window},
  }
}
