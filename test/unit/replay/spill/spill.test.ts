import {expect} from 'chai'
import fc from 'fast-check'
import {readdirSync} from 'node:fs'
import {tmpdir} from 'node:os'

import {HashIndex} from '../../../../src/lib/replay/spill/hash-index.js'
import {PagedFile} from '../../../../src/lib/replay/spill/paged-file.js'
import {ScratchSpace} from '../../../../src/lib/replay/spill/scratch-space.js'
import {SpilledColumn} from '../../../../src/lib/replay/spill/spilled-column.js'

/** More than a column keeps in memory. */
const MANY = 30_000

/** Few enough hashes that many numbers share one. */
const hashOf = (number: number): number => Math.imul(number % 50_000, 0x9e3779b1)

let space: ScratchSpace

describe('what does not lie in memory', () => {
  beforeEach(() => {
    space = new ScratchSpace()
  })

  afterEach(() => space.close())

  it('is the same bytes as in memory, in pages of any order, and zeros where nothing was written', () => {
    const steps = fc.array(fc.tuple(fc.nat(20), fc.nat(63), fc.nat(255), fc.boolean()), {maxLength: 200})
    fc.assert(
      fc.property(steps, fc.integer({min: 1, max: 5}), (all, most) => {
        const file = new PagedFile(space, most, 64)
        const plain = Buffer.alloc(21 * 64)
        for (const [number, at, value, writes] of all) {
          const {bytes} = file.page(number, writes)
          if (writes) {
            bytes[at] = value
            plain[number * 64 + at] = value
          }

          expect(Buffer.compare(bytes, plain.subarray(number * 64, (number + 1) * 64))).to.equal(0)
        }

        file.clear()
        expect(file.page(3).bytes.every((byte) => byte === 0)).to.equal(true)
      }),
    )
  })

  it('is found by hash when it has grown beyond its memory, and in another’s stead', () => {
    const index = new HashIndex(space)
    const count = 4 * MANY
    for (let number = 0; number < count; number++) index.set(hashOf(number), number)
    for (let number = 0; number < count; number += 3) index.set(hashOf(number), number + count, number)
    const wrong: number[] = []
    const finds = (number: number, which: number): boolean =>
      index.lookUp(hashOf(number), (candidate) => candidate === which) === which
    for (let number = 0; number < count; number++) {
      const now = number % 3 === 0 ? number + count : number
      if (!finds(number, now) || (now !== number && finds(number, number))) wrong.push(number)
    }

    expect(wrong).to.deep.equal([])
  })

  it('is a column of numbers that can be read while it grows, and begun anew', () => {
    const column = new SpilledColumn(space)
    for (const sign of [1, -1]) {
      let wrong = 0
      for (let index = 0; index < MANY; index++) {
        column.push(index * sign)
        if (column.at(index >> 1) !== (index >> 1) * sign) wrong++
      }

      expect(wrong).to.equal(0)
      expect(column.length).to.equal(MANY)
      expect([...column].every((value, index) => value === index * sign)).to.equal(true)
      expect(column.values()[MANY - 1]).to.equal((MANY - 1) * sign)
      column.rewind()
    }
  })

  it('has no name while it lies in its file', () => {
    const column = new SpilledColumn(space)
    for (let index = 0; index < MANY; index++) column.push(index)
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`overlay-spill-${process.pid}-`))).to.deep.equal([])
    expect(space.failure).to.equal(null)
  })

  it('stays in memory where no file can be written, with the directory and the way out', () => {
    const nowhere = new ScratchSpace('/nowhere')
    const column = new SpilledColumn(nowhere)
    for (let index = 0; index < MANY; index++) column.push(index)
    expect([...column].every((value, index) => value === index)).to.equal(true)
    expect(nowhere.failure).to.deep.include({code: 'SYSTEM_CALL_FAILED', cause: 'ENOENT'})
    expect(nowhere.failure!.message).to.contain('/nowhere')
    expect(nowhere.failure!.suggestions.join(' ')).to.contain('TMPDIR')
  })
})
