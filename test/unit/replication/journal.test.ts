import {expect} from 'chai'

import {Journal, JournalFullError, JournalMemory, StreamJournal} from '../../../src/lib/replication/journal.js'
import {ReplicationProtocolError} from '../../../src/lib/wire/replication-frame.js'
import {legRecord} from './legs.js'

const bytes = Buffer.from('0123456789')

describe('journal', () => {
  it('keeps what is not acknowledged, and gives the rest back', () => {
    const memory = new JournalMemory(10_000)
    const stream = new StreamJournal(memory, 100)
    stream.append(100, bytes, 0, 10)
    stream.append(110, bytes, 0, 10)
    stream.trim(113)
    expect(Buffer.concat(stream.pending()).toString()).to.equal('3456789')
    stream.trim(105)
    expect(stream.base).to.equal(113)
    stream.finish(120)
    expect(stream.held).to.equal(121)
    stream.trim(121)
    expect(stream.endAcknowledged).to.equal(true)
    expect(memory.used).to.equal(0)
  })

  it('keeps long streams in pieces of any length, and forgets them in pieces of any other', () => {
    const memory = new JournalMemory(1_048_576)
    const stream = new StreamJournal(memory, 7)
    const whole = Buffer.from(Array.from({length: 300_000}, (_, index) => (index * 31) >> 3))
    for (let at = 0, step = 1; at < whole.length; at += step, step = (step * 7) % 70_001) {
      stream.append(7 + at, whole, at, Math.min(whole.length, at + step))
    }

    expect(stream.end).to.equal(7 + whole.length)
    for (const base of [0, 1, 4095, 4096, 70_000, 70_001, 200_000, 299_999]) {
      stream.trim(7 + base)
      expect(Buffer.concat(stream.pending()).equals(whole.subarray(base))).to.equal(true)
    }

    const before = memory.used
    expect(() => stream.append(stream.end, Buffer.alloc(1_048_576), 0, 1_048_576)).to.throw(JournalFullError)
    expect([memory.used, stream.end]).to.deep.equal([before, 7 + whole.length])
    stream.trim(stream.end)
    expect([memory.used, stream.pending()]).to.deep.equal([0, []])
  })

  it('accepts a repetition, refuses other bytes and gaps', () => {
    const stream = new StreamJournal(new JournalMemory(10_000), 0)
    stream.append(0, bytes, 0, 6)
    stream.append(2, bytes, 2, 10)
    expect(Buffer.concat(stream.pending()).toString()).to.equal('0123456789')
    expect(() => stream.append(3, bytes, 0, 2)).to.throw(ReplicationProtocolError, /other bytes/)
    expect(() => stream.append(11, bytes, 0, 1)).to.throw(ReplicationProtocolError, /gap/)
    expect(() => stream.finish(9)).to.throw(ReplicationProtocolError)
    expect(() => stream.trim(11)).to.throw(ReplicationProtocolError)
    stream.finish(10)
    expect(() => stream.append(10, bytes, 0, 1)).to.throw(ReplicationProtocolError, /after the end/)
  })

  it('is bounded over all flows, small pieces included', () => {
    const journal = new Journal(new JournalMemory(10_000))
    const leg = legRecord(1, 2)
    for (const id of [1, 2]) journal.open(id, leg, 0, leg.local, leg.remote, [0, 0])
    const fill = (): void => {
      for (let at = 0; at < 1000; at++)
        journal
          .flow(1 + (at & 1))
          .stream(0)
          .append(at >> 1, bytes, 0, 1)
    }

    expect(fill).to.throw(JournalFullError)
    expect(journal.memory.used).to.be.at.most(10_000)
    journal.clear()
    expect(journal.memory.used).to.equal(0)
  })
})
