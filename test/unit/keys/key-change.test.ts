import {expect} from 'chai'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {newKeyFile, rotateKeys} from '../../../src/lib/keys/key-change.js'
import {readKeyFile} from '../../../src/lib/keys/key-file.js'
import {OverlayError} from '../../../src/lib/errors/index.js'

describe('a key file', () => {
  let directory: string
  let path: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ov-'))
    path = join(directory, 'keys')
  })

  afterEach(() => rmSync(directory, {recursive: true}))

  const mode = (): number => statSync(path).mode & 0o777
  const lines = (): string[] => readFileSync(path, 'utf8').trim().split('\n')

  it('is made with mode 600 whatever the umask, and nothing beside it', () => {
    const before = process.umask(0)
    try {
      expect(newKeyFile(path, 7)).to.deep.equal({current: 7, previous: null})
    } finally {
      process.umask(before)
    }

    expect(mode()).to.equal(0o600)
    expect(readKeyFile(path).current.id).to.equal(7)
    expect(readdirSync(directory)).to.deep.equal(['keys'])
  })

  it('is never overwritten, nor is what a link points to', () => {
    writeFileSync(path, 'precious')
    expect(code(() => newKeyFile(path, 1))).to.equal('ALREADY_EXISTS')
    const link = join(directory, 'link')
    symlinkSync(join(directory, 'elsewhere'), link)
    expect(code(() => newKeyFile(link, 1))).to.equal('ALREADY_EXISTS')
    expect(existsSync(join(directory, 'elsewhere'))).to.equal(false)
    expect(readFileSync(path, 'utf8')).to.equal('precious')
    expect(readdirSync(directory)).to.deep.equal(['keys', 'link'])
  })

  it('is not made where there is no directory', () => {
    expect(code(() => newKeyFile(join(directory, 'no', 'keys'), 1))).to.equal('KEY_FILE_INVALID')
  })

  it('is rotated: a new first key, the one before second, the oldest gone', () => {
    newKeyFile(path, 1)
    const [first] = lines()
    expect(rotateKeys(path, 'replace')).to.deep.equal({current: 2, previous: 1})
    const [second] = lines()
    expect(lines()[1]).to.equal(first)
    expect(rotateKeys(path, 'replace')).to.deep.equal({current: 3, previous: 2})
    expect(lines()[1]).to.equal(second)
    expect(new Set([first, second, lines()[0]].map((line) => line.split(' ')[1])).size).to.equal(3)
    expect(readdirSync(directory)).to.deep.equal(['keys'])
  })

  it('is rotated in two steps: the new key waits as the second', () => {
    newKeyFile(path, 1)
    const [first] = lines()
    expect(rotateKeys(path, 'prepare')).to.deep.equal({current: 1, previous: 2})
    expect(lines()[0]).to.equal(first)
    expect(rotateKeys(path, 'activate')).to.deep.equal({current: 2, previous: 1})
    expect(lines()[1]).to.equal(first)
  })

  it('keeps mode, owner and link', () => {
    newKeyFile(path, 1)
    chmodSync(path, 0o400)
    if (process.getuid?.() === 0) chownSync(path, 4242, 4343)
    const link = join(directory, 'link')
    symlinkSync(path, link)
    const {uid, gid} = statSync(path)
    rotateKeys(link, 'replace')
    const after = statSync(path)
    expect([mode(), after.uid, after.gid]).to.deep.equal([0o400, uid, gid])
    expect(readlinkSync(link)).to.equal(path)
  })

  it('counts from 1 again after 65535, past an id that is in use', () => {
    newKeyFile(path, 65_535)
    expect(rotateKeys(path, 'replace')).to.deep.equal({current: 1, previous: 65_535})
    writeFileSync(path, `1 ${'a'.repeat(64)}\n65535 ${'b'.repeat(64)}\n`)
    expect(rotateKeys(path, 'replace')).to.deep.equal({current: 2, previous: 1})
  })

  it('is refused when others can read it, when it is bad, and when it has no key to activate', () => {
    newKeyFile(path, 1)
    expect(code(() => rotateKeys(path, 'activate'))).to.equal('KEY_FILE_INVALID')
    chmodSync(path, 0o640)
    expect(code(() => rotateKeys(path, 'replace'))).to.equal('KEY_FILE_INVALID')
    chmodSync(path, 0o600)
    writeFileSync(path, 'nonsense')
    expect(code(() => rotateKeys(path, 'replace'))).to.equal('KEY_FILE_INVALID')
    expect(code(() => rotateKeys(join(directory, 'none'), 'replace'))).to.equal('KEY_FILE_INVALID')
    expect(readdirSync(directory)).to.deep.equal(['keys'])
  })

  it('is changed by one command at a time, and what a killed one left does not stay', () => {
    newKeyFile(path, 1)
    const beside = join(directory, '.keys.overlay-new')
    writeFileSync(beside, 'half')
    expect(code(() => rotateKeys(path, 'replace'))).to.equal('ALREADY_EXISTS')
    expect(readKeyFile(path).current.id).to.equal(1)
    utimesSync(beside, new Date(0), new Date(0))
    expect(rotateKeys(path, 'replace').current).to.equal(2)
    expect(readdirSync(directory)).to.deep.equal(['keys'])
  })
})

function code(act: () => unknown): string {
  try {
    act()
    return 'no error'
  } catch (error) {
    return error instanceof OverlayError ? error.code : String(error)
  }
}
