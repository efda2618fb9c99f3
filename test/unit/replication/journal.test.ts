import {expect} from 'chai'
import fc from 'fast-check'

import {Journal, JournalFullError, JournalMemory, StreamJournal} from '../../../src/lib/replication/journal.js'
import {ReplicationProtocolError, type Room} from '../../../src/lib/wire/replication-frame.js'
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

  it('keeps what was read into the room that it gave, beside what is given to it, without a copy', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({length: fc.integer({min: 1, max: 400_000}), inRoom: fc.boolean(), trim: fc.nat(100)}), {
          maxLength: 20,
        }),
        (steps) => {
          const memory = new JournalMemory(33_554_432)
          const stream = new StreamJournal(memory, 5)
          const room: Room = {bytes: Buffer.alloc(0), start: 0, length: 0}
          const whole: Buffer[] = []
          for (const [index, {length, inRoom, trim}] of steps.entries()) {
            let left = length
            while (left > 0) {
              let part = left
              if (inRoom) {
                expect(stream.room(stream.end, left, room)).to.equal(true)
                part = Math.min(left, room.length)
                room.bytes.fill(index + 1, room.start, room.start + part)
                stream.append(stream.end, room.bytes, room.start, room.start + part)
              } else {
                stream.append(stream.end, Buffer.alloc(part, index + 1), 0, part)
              }

              left -= part
            }

            whole.push(Buffer.alloc(length, index + 1))
            stream.trim(stream.base + Math.floor(((stream.end - stream.base) * trim) / 100))
            const kept = Buffer.concat(whole).subarray(stream.base - 5)
            expect(Buffer.concat(stream.pending()).equals(kept)).to.equal(true)
          }

          stream.clear()
          expect(memory.used).to.equal(0)
        },
      ),
      {numRuns: 30},
    )
  })

  it('gives no room for other bytes than the next, after an end, or beyond its memory', () => {
    const stream = new StreamJournal(new JournalMemory(300_000), 0)
    const room: Room = {bytes: Buffer.alloc(0), start: 0, length: 0}
    expect(stream.room(1, 100, room)).to.equal(false)
    expect(stream.room(0, 200_000, room)).to.equal(true)
    expect(room.length).to.be.at.least(200_000)
    stream.append(0, room.bytes, room.start, room.start + room.length)
    expect(stream.room(room.length, 200_000, room)).to.equal(false)
    stream.finish(stream.end)
    expect(stream.room(stream.end, 1, room)).to.equal(false)
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
