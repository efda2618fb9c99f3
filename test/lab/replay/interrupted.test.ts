import {expect} from 'chai'
import {spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {Lab} from '../../../src/lib/lab/lab.js'
import {processesIn} from '../../../src/lib/lab/processes.js'
import {labDirectory, labNames, readState, type LabState} from '../../../src/lib/lab/state.js'
import {sweepLabs} from '../../../src/lib/lab/sweep.js'
import {exchange, pcapOfSegments} from '../../unit/capture/crafted.js'
import {OVERLAY} from '../support/overlay.js'
import {scratch, tracesOf, withRunDirectory} from '../support/lab-tools.js'

async function until<Value>(what: string, find: () => Value | null, deadlineMs = 40_000): Promise<Value> {
  const started = performance.now()
  for (;;) {
    const value = find()
    if (value !== null) return value
    if (performance.now() - started > deadlineMs) throw new Error(`${what}: not within ${deadlineMs} ms`)
    await sleep(5)
  }
}

/** The lab that the command has made, once it has got so far. */
function labAt(phase: LabState['phase'], playing = false): LabState | null {
  const state = labNames()
    .map((name) => readState(name))
    .find((each) => each !== null && each.phase === phase)
  if (!state || !playing) return state ?? null
  const client = state.hosts.find(({name}) => name === 'client')!
  return existsSync(client.runDir) && readdirSync(client.runDir).some((name) => name.startsWith('play-')) ? state : null
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return '' // it has just ended
  }
}

const capturesIn = (directory: string): string[] =>
  readdirSync(directory).filter((name) => name.startsWith('overlay-replay-'))

const traces = (state: LabState): string[] => tracesOf({id: state.id, directory: labDirectory(state.name)})

describe('overlay replay that is interrupted', () => {
  const files = scratch()
  const file = files.path('one.pcap')

  before(() => writeFileSync(file, pcapOfSegments(exchange())))

  after(() => files.remove())

  const live = (...more: string[]): ChildProcess => {
    const [program, ...words] = [...OVERLAY, 'replay', file, '--live', '--replication-ack', '0', ...more, '--json']
    return spawn(program, words, {stdio: ['ignore', 'pipe', 'pipe']})
  }

  for (const [when, phase, playing] of [
    ['its lab is being built', 'building', false],
    ['a conversation is played', 'up', true],
  ] as const) {
    it(`by Ctrl-C while ${when}: --live ends at once and leaves nothing`, async () => {
      await withRunDirectory(async () => {
        const child = live()
        const ended = once(child, 'exit')
        const state = await until(when, () => labAt(phase, playing))
        const asked = performance.now()
        child.kill('SIGINT')
        const [, signal] = (await ended) as [number | null, string | null]
        expect(signal).to.equal('SIGINT')
        // A lab gives its programs 1.5 s to end, and takes a moment for its namespaces.
        expect(performance.now() - asked).to.be.below(15_000)
        expect(traces(state)).to.deep.equal([])
        expect(labNames()).to.deep.equal([])
      })
    })
  }

  it('by SIGKILL: what --live leaves is removed by whoever builds a lab next', async () => {
    await withRunDirectory(async () => {
      const child = live()
      const ended = once(child, 'exit')
      const state = await until('playing', () => labAt('up', true))
      child.kill('SIGKILL')
      await ended
      expect(await sweepLabs()).to.deep.equal([state.name])
      expect(traces(state)).to.deep.equal([])
    })
  })

  it('by an origin that is stopped: --live ends with an error, and leaves nothing', async () => {
    await withRunDirectory(async () => {
      const child = live('--deadline', '4')
      let out = ''
      child.stdout!.on('data', (chunk: Buffer) => {
        out += chunk.toString()
      })
      const ended = once(child, 'close')
      const state = await until('a lab', () => labAt('up'))
      const origin = state.hosts.find(({name}) => name === 'origin')!
      const pid = await until('the playing origin', () => {
        const found = processesIn([origin.namespace]).map((each) => each.pid)
        return found.find((each) => commandLine(each).includes('origin-process')) ?? null
      })
      process.kill(pid, 'SIGSTOP')
      const [code] = (await ended) as [number]
      expect(JSON.parse(out)).to.have.nested.property('error.code', 'DEADLINE_EXCEEDED')
      expect(code).to.equal(4)
      expect(traces(state)).to.deep.equal([])
    })
  })

  describe('while it captures', () => {
    const tmp = files.path('tmp')
    let lab: Lab
    const capture = () => {
      const words = [...OVERLAY, 'replay', '--capture', 'to-edge', '--duration', '60s', '--json']
      return lab.spawn('client', words, {env: {TMPDIR: tmp}, stdio: ['ignore', 'pipe', 'inherit']})
    }

    const capturing = () =>
      until('a capture', () => {
        const [directory] = capturesIn(tmp)
        return directory && existsSync(join(tmp, directory, 'traffic.pcap')) ? true : null
      })
    const processes = () => processesIn([lab.host('client').namespace])

    before(async () => {
      mkdirSync(tmp)
      lab = await Lab.up({}, {owned: true})
    })

    after(() => lab.down())

    it('by Ctrl-C: what was captured is the result, and the file is gone', async () => {
      const running = capture()
      let out = ''
      running.child.stdout!.on('data', (chunk: Buffer) => {
        out += chunk.toString()
      })
      await capturing()
      running.child.kill('SIGINT')
      const {code} = await running.exited
      expect(code).to.equal(0)
      expect(JSON.parse(out)).to.have.nested.property('sources[0].source', 'interface to-edge')
      expect(capturesIn(tmp)).to.deep.equal([])
      expect(processes()).to.deep.equal([])
    })

    it('by SIGTERM: it ends by the signal, without a file or a process left', async () => {
      const running = capture()
      await capturing()
      running.child.kill('SIGTERM')
      expect(await running.exited).to.deep.equal({code: null, signal: 'SIGTERM'})
      await until('the end of its process', () => (processes().length === 0 ? true : null))
      expect(capturesIn(tmp)).to.deep.equal([])
    })

    it('by SIGKILL: its process ends with it, and the next one removes its file', async () => {
      const running = capture()
      await capturing()
      running.child.kill('SIGKILL')
      await until('the end of its process', () => (processes().length === 0 ? true : null))
      const [dead, ...more] = capturesIn(tmp)
      expect(more).to.deep.equal([])
      const next = capture()
      await until('the next capture', () => (capturesIn(tmp).length === 1 && capturesIn(tmp)[0] !== dead ? true : null))
      await capturing()
      next.child.kill('SIGINT')
      await next.exited
      expect(capturesIn(tmp)).to.deep.equal([])
    })
  })
})
