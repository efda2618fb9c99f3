import {expect} from 'chai'
import fc from 'fast-check'
import {spawn} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {ReplayFile} from '../../../src/lib/relay/replay-file.js'
import {Claim, MAX_INSTANCES, REPLAY_WINDOW_BYTES, ReplayWindow, WINDOW} from '../../../src/lib/relay/replay-window.js'

const fresh = (): ReplayWindow => new ReplayWindow(new ArrayBuffer(REPLAY_WINDOW_BYTES))

describe('replay window', () => {
  it('knows an instance only after a challenge', () => {
    const window = fresh()
    expect(window.claim(1, 2, 1, false, 0)).to.equal(Claim.Unknown)
    expect(window.instances).to.equal(0)
    expect(window.claim(1, 2, 1, true, 0)).to.equal(Claim.Fresh)
    expect(window.instances).to.equal(1)
    expect(window.claim(1, 2, 1, true, 0)).to.equal(Claim.Duplicate)
    expect(window.claim(1, 2, 2, false, 0)).to.equal(Claim.Fresh)
    expect(window.claim(2, 2, 2, false, 0)).to.equal(Claim.Unknown)
  })

  it('tells a counter that lies a window back from one that was used', () => {
    const window = fresh()
    window.claim(1, 2, 5, true, 0)
    expect(window.claim(1, 2, 5 + WINDOW, false, 0)).to.equal(Claim.Fresh)
    expect(window.claim(1, 2, 5, false, 0)).to.equal(Claim.TooOld)
    expect(window.claim(1, 2, 6, false, 0)).to.equal(Claim.Fresh)
    expect(window.claim(1, 2, 2 ** 46 - 1, false, 0)).to.equal(Claim.Fresh)
    expect(window.claim(1, 2, 2 ** 46 - 1, false, 0)).to.equal(Claim.Duplicate)
  })

  it('takes a nonce that was given back once more, and none before it', () => {
    const window = fresh()
    window.release(1, 2, 5)
    window.claim(1, 2, 5, true, 0)
    window.release(1, 2, 6)
    window.release(1, 2, 5)
    expect(window.claim(1, 2, 5, false, 0)).to.equal(Claim.Fresh)
    expect(window.claim(1, 2, 5, false, 0)).to.equal(Claim.Duplicate)
    window.claim(1, 2, 7 + WINDOW, false, 0)
    // Of a nonce that a later one has replaced nothing is given back.
    window.release(1, 2, 7)
    expect(window.claim(1, 2, 7 + WINDOW, false, 0)).to.equal(Claim.Duplicate)
    window.release(1, 2, 7 + WINDOW)
    expect(window.claim(1, 2, 7, false, 0)).to.equal(Claim.Duplicate)
    expect(window.claim(1, 2, 7 + WINDOW, false, 0)).to.equal(Claim.Fresh)
  })

  it('asks again for counters from before the instance was registered', () => {
    const window = fresh()
    window.claim(1, 2, 100, true, 0)
    expect(window.claim(1, 2, 99, false, 0)).to.equal(Claim.Unknown)
    expect(window.claim(1, 2, 99, true, 0)).to.equal(Claim.Fresh)
    expect(window.claim(1, 2, 99, true, 0)).to.equal(Claim.Duplicate)
  })

  it('replaces the instance unheard of for longest, never one heard of lately', () => {
    const window = fresh()
    for (let i = 0; i < MAX_INSTANCES; i++) expect(window.claim(i, 7, 1, true, i)).to.equal(Claim.Fresh)
    expect(window.claim(9999, 7, 1, true, 30_000)).to.equal(Claim.Full)
    expect(window.claim(0, 7, 2, false, 100_000)).to.equal(Claim.Fresh)
    expect(window.claim(9999, 7, 1, true, 100_000)).to.equal(Claim.Fresh)
    expect(window.claim(0, 7, 3, false, 100_000)).to.equal(Claim.Fresh)
    // The one that gave way: its old nonces open nothing.
    const gone = Array.from({length: MAX_INSTANCES}, (_, i) => i).filter(
      (i) => window.claim(i, 7, 1, false, 100_000) === Claim.Unknown,
    )
    expect(gone.length).to.equal(1)
    expect(window.instances).to.equal(MAX_INSTANCES)
  })

  it('never lets a nonce through twice, in any order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3), fc.integer({min: 1, max: 3 * WINDOW}), fc.boolean()), {maxLength: 300}),
        (claims) => {
          const window = shared
          const seen = new Set<string>()
          salt++
          for (const [instance, counter, challenged] of claims) {
            const name = `${instance}/${counter}`
            const result = window.claim(salt, instance, counter, challenged, salt * 1_000_000)
            if (result === Claim.Fresh) {
              expect(seen.has(name)).to.equal(false)
              seen.add(name)
            }
          }
        },
      ),
      {numRuns: 200},
    )
  })

  it('gives each nonce to one of several processes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ov-'))
    try {
      const path = join(directory, 'window')
      const file = ReplayFile.prepare(path)
      expect(file.window.claim(5, 6, 1, true, 0)).to.equal(Claim.Fresh)
      const module = new URL('../../../src/lib/relay/replay-file.ts', import.meta.url).href
      const script = `
        const {ReplayFile} = await import(${JSON.stringify(module)})
        const {window} = ReplayFile.open(${JSON.stringify(path)})
        let fresh = 0
        process.stdin.once('data', () => {
          for (let counter = 2; counter < 30002; counter++) if (window.claim(5, 6, counter, false, 0) === 0) fresh++
          console.log(fresh)
          process.exit(0)
        })
        console.log('ready')`
      const counts = await together(3, script)
      expect(counts.reduce((sum, count) => sum + count, 0)).to.equal(30_000)
      expect(file.window.claim(5, 6, 777, false, 0)).to.equal(Claim.Duplicate)
      // The same boot: a later run of the supervisor keeps what is there.
      expect(ReplayFile.prepare(path).window.claim(5, 6, 778, false, 0)).to.equal(Claim.Duplicate)
    } finally {
      rmSync(directory, {recursive: true})
    }
  })

  it('makes challenges that hold for one instance and a while', () => {
    const directory = mkdtempSync(join(tmpdir(), 'ov-'))
    try {
      const file = ReplayFile.prepare(join(directory, 'window'))
      const instance = Buffer.from('abcdefgh')
      const given = file.challenge(instance, 1_000_000)
      expect(given.length).to.equal(16)
      expect(file.challengeIsGood(given, instance, 1_010_000)).to.equal(true)
      expect(file.challengeIsGood(given, instance, 1_040_000)).to.equal(false)
      expect(file.challengeIsGood(given, Buffer.from('abcdefgi'), 1_000_000)).to.equal(false)
      const other = ReplayFile.prepare(join(directory, 'another'))
      expect(other.challengeIsGood(given, instance, 1_000_000)).to.equal(false)
    } finally {
      rmSync(directory, {recursive: true})
    }
  })
})

/** One memory for the many runs of a property; each run has instances of its own. */
const shared = fresh()
let salt = 0

/** Runs a script in so many processes that start on a word of ours; each prints a number. */
async function together(count: number, script: string): Promise<number[]> {
  const children = Array.from({length: count}, () =>
    spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  )
  const outputs = children.map(() => '')
  const ready = children.map(
    (child, index) =>
      new Promise<void>((resolve) => {
        child.stdout.on('data', (bytes: Buffer) => {
          outputs[index] += bytes.toString()
          resolve()
        })
      }),
  )
  await Promise.all(ready)
  const ended = children.map((child) => new Promise<void>((resolve) => child.on('close', () => resolve())))
  for (const child of children) child.stdin.write('go\n')
  await Promise.all(ended)
  return outputs.map((text) => Number(text.split('\n')[1]))
}
