import {expect} from 'chai'
import fc from 'fast-check'

import {JournalFullError, JournalMemory, type Keeper, type Kept} from '../../../src/lib/replication/journal-memory.js'
import {Journal, StreamJournal} from '../../../src/lib/replication/journal.js'
import {ReplicationProtocolError} from '../../../src/lib/wire/replication-frame.js'
import {legRecord} from './legs.js'

const bytes = Buffer.from('0123456789')

class MemoryKept implements Kept {
  private bytes = Buffer.alloc(0)

  constructor(private readonly size: number) {}

  get length(): number {
    return this.bytes.length
  }

  get full(): boolean {
    return this.length === this.size
  }

  /** @returns how many of them had room */
  put(bytes: Buffer): number {
    const part = bytes.subarray(0, this.size - this.length)
    this.bytes = Buffer.concat([this.bytes, part])
    return part.length
  }

  drop(length: number): void {
    this.bytes = this.bytes.subarray(length)
  }

  take(): Buffer {
    const {bytes} = this
    this.bytes = Buffer.alloc(0)
    return bytes
  }
}

class MemoryKeeper implements Keeper {
  lent = 0

  constructor(private readonly size: number) {}

  take(): Kept {
    this.lent++
    return new MemoryKept(this.size)
  }

  give(): void {
    this.lent--
  }
}

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

  it('keeps what was put where it said, beside what is given to it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({length: fc.integer({min: 1, max: 400_000}), put: fc.boolean(), trim: fc.nat(100)}), {
          maxLength: 20,
        }),
        fc.nat(3),
        (steps, lookEvery) => {
          const keeper = new MemoryKeeper(1_000_000)
          const memory = new JournalMemory(33_554_432, keeper)
          const stream = new StreamJournal(memory, 5)
          const whole: Buffer[] = []
          for (const [index, {length, put, trim}] of steps.entries()) {
            for (let left = length; left > 0;) {
              const kept = put ? (stream.keep(stream.end, left) as MemoryKept) : null
              const part = kept === null ? left : kept.put(Buffer.alloc(left, index + 1))
              if (kept === null) stream.append(stream.end, Buffer.alloc(part, index + 1), 0, part)
              else stream.put(part)
              left -= part
            }

            whole.push(Buffer.alloc(length, index + 1))
            stream.trim(stream.base + Math.floor(((stream.end - stream.base) * trim) / 100))
            if (lookEvery > 0 && index % lookEvery > 0) continue
            const held = Buffer.concat(whole).subarray(stream.base - 5)
            expect(Buffer.concat(stream.pending()).equals(held)).to.equal(true)
            if (held.length > 0) stream.append(stream.base, held, 0, held.length)
          }

          stream.clear()
          expect([memory.used, keeper.lent]).to.deep.equal([0, 0])
        },
      ),
      {numRuns: 60},
    )
  })

  it('says nowhere to put other bytes than the next, after an end, beyond its memory, or without a keeper', () => {
    const keeper = new MemoryKeeper(300_000)
    const stream = new StreamJournal(new JournalMemory(300_000, keeper), 0)
    expect(stream.keep(1, 100)).to.equal(null)
    expect(stream.keep(0, 300_001)).to.equal(null)
    const kept = stream.keep(0, 200_000) as MemoryKept
    stream.put(kept.put(Buffer.alloc(200_000)))
    expect(stream.keep(200_000, 100_001)).to.equal(null)
    expect(stream.keep(200_000, 100_000)).to.equal(kept)
    stream.finish(stream.end)
    expect(stream.keep(stream.end, 1)).to.equal(null)
    expect(new StreamJournal(new JournalMemory(300_000), 0).keep(0, 1)).to.equal(null)
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
