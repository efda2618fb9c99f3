import {expect} from 'chai'
import {mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {mapSharedFile, reserveInFile} from '../../../src/lib/kernel/shared-memory.js'

const BLOCK = 512

const allocated = (path: string): number => statSync(path).blocks * BLOCK

describe('shared file', () => {
  let directory: string

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'overlay-shared-'))
  })

  after(() => rmSync(directory, {recursive: true}))

  it('has its place on the disk from the beginning: a write through it cannot fail later', () => {
    const path = join(directory, 'whole')
    const memory = mapSharedFile(path, 65_536)
    expect(allocated(path)).to.be.at.least(65_536)
    expect(Buffer.from(memory).equals(Buffer.alloc(65_536))).to.equal(true)
    expect(statSync(path).mode & 0o777).to.equal(0o600)
  })

  it('may be sparse behind its start, and is given more when asked', () => {
    const path = join(directory, 'sparse')
    mapSharedFile(path, 1_048_576, 8192)
    expect(allocated(path)).to.be.within(8192, 65_536)
    expect(reserveInFile(path, 524_288, 131_072)).to.equal(true)
    expect(allocated(path)).to.be.at.least(8192 + 131_072)
    expect(statSync(path).size).to.equal(1_048_576)
  })

  it('keeps what is in it, and is brought to its length', () => {
    const path = join(directory, 'kept')
    writeFileSync(path, 'word', {mode: 0o644})
    expect(Buffer.from(mapSharedFile(path, 4096)).toString('latin1', 0, 5)).to.equal('word\0')
    expect(statSync(path).size).to.equal(4096)
  })
})
