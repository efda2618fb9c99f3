import {expect} from 'chai'
import {execFileSync, spawn} from 'node:child_process'
import {mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {analyse, readPayloads} from '../../../../src/lib/replay/analysis/analyse.js'
import {rereadable} from '../../../../src/lib/replay/live/rereadable.js'
import {ScratchSpace} from '../../../../src/lib/replay/spill/scratch-space.js'
import {exchange, pcapOfSegments} from '../../capture/crafted.js'

describe('a capture that --live reads twice', () => {
  let directory: string
  let pipe: string
  let space: ScratchSpace

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ov-twice-'))
    pipe = join(directory, 'pipe')
    execFileSync('mkfifo', [pipe])
    space = new ScratchSpace(directory)
  })

  afterEach(() => {
    space.close()
    rmSync(directory, {recursive: true})
  })

  /** Writes a capture of two connections into the pipe, from a process of its own. */
  const feed = (): void => {
    const file = join(directory, 'capture')
    writeFileSync(file, pcapOfSegments([...exchange(), ...exchange(1000, {clientPort: 50_001})]))
    spawn('sh', ['-c', 'cat "$0" > "$1"', file, pipe], {stdio: 'ignore'})
  }

  it('is a file as it lies there', async () => {
    const file = join(directory, 'capture')
    writeFileSync(file, 'x')
    expect(await rereadable(file, space, () => {})).to.equal(file)
    expect(await rereadable('/nowhere', space, () => {})).to.equal('/nowhere')
  })

  it('is a copy without a name where it comes by a pipe, and is called as the pipe', async () => {
    feed()
    const path = await rereadable(pipe, space, () => {})
    expect(readdirSync(directory).sort()).to.deep.equal(['capture', 'pipe'])
    const {connections, sources} = await analyse([path], {names: ['the pipe']})
    expect([connections.length, sources[0].source]).to.deep.equal([2, 'the pipe'])
    const payloads = await readPayloads([path], [2])
    expect([...payloads.keys()]).to.deep.equal([2])
    expect(payloads.get(2)!.fromClient.bytes.length).to.equal(18)
    expect(payloads.get(2)!.fromServer.bytes.length).to.equal(1000)
  })

  it('that is no capture is refused by its own name', async () => {
    const file = join(directory, 'capture')
    writeFileSync(file, 'no capture at all')
    const error = await analyse([file], {names: ['the pipe']}).catch((error_: Error) => error_)
    expect(error).to.have.property('code', 'INPUT_INVALID')
    expect((error as Error).message).to.match(/^the pipe, byte 0/)
  })

  it('without room for the copy is refused, with the directory and the way out', async () => {
    feed()
    const error = await rereadable(pipe, new ScratchSpace('/nowhere'), () => {}).catch((error_: unknown) => error_)
    expect(error).to.deep.include({code: 'SYSTEM_CALL_FAILED', cause: 'ENOENT'})
    expect((error as Error).message).to.contain('/nowhere')
    // Its writer has nobody to write to any more.
    execFileSync('cat', [pipe])
  })
})
