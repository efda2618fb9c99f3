import {expect} from 'chai'
import {spawn, spawnSync} from 'node:child_process'
import {once} from 'node:events'
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

import {overlayCommand} from '../../../src/lib/cli/node-entry.js'
import {Lab} from '../../../src/lib/lab/lab.js'
import {identify, isAlive} from '../../../src/lib/lab/processes.js'
import {labDirectory, readState} from '../../../src/lib/lab/state.js'
import {sweepLabs} from '../../../src/lib/lab/sweep.js'
import {scratch, sendLoad, tracesOf, withRunDirectory} from '../support/lab-tools.js'

const place = (lab: Lab): {id: string; directory: string} => ({
  id: lab.state.id,
  directory: labDirectory(lab.name),
})

/** Waits for something to become true. */
async function until(what: string, condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const started = performance.now()
  while (!condition()) {
    if (performance.now() - started > deadlineMs) throw new Error(`${what}: not within ${deadlineMs} ms`)
    await sleep(1)
  }
}

describe('life of a lab', () => {
  it('runs beside another one, and leaves nothing', async () => {
    const [one, two] = await Promise.all([
      Lab.up({links: {'client-edge': {rttMs: 2}}}, {owned: true}),
      Lab.up({pairs: ['edge', 'gateway']}, {owned: true}),
    ])
    try {
      expect(two.hosts.map(({name}) => name)).to.include.members(['edge-b', 'gateway-b'])
      const hear = `const s = require('node:dgram').createSocket('udp4').bind(5353, () => console.log('ready'))
        s.on('message', (text) => { console.log(String(text)); process.exit(3) })`
      const tell = (text: string): string =>
        `require('node:dgram').createSocket('udp4').send('${text}', 5353, '10.77.1.21', process.exit)`
      const heard = await Promise.all(
        [one, two].map(async (lab, index) => {
          const listener = lab.spawn(index === 0 ? 'edge' : 'edge-a', [process.execPath, '-e', hear])
          let output = ''
          listener.child.stdout!.on('data', (chunk) => {
            output += chunk
          })
          await once(listener.child.stdout!, 'data')
          await lab.exec('client', [process.execPath, '-e', tell(`lab ${index}`)])
          const {code} = await listener.exited
          return [output, code]
        }),
      )
      expect(heard).to.deep.equal([
        ['ready\nlab 0\n', 3],
        ['ready\nlab 1\n', 3],
      ])
    } finally {
      await Promise.all([one.down(), two.down()])
    }

    expect([...tracesOf(place(one)), ...tracesOf(place(two))]).to.deep.equal([])
    await one.down()
  })

  it('gives exit codes, keeps deadlines, ends what still runs, and counts what it captures', async () => {
    const lab = await Lab.up({}, {owned: true})
    const files = scratch()
    try {
      const {code, stdout, stderr} = await lab.exec('origin', ['sh', '-c', 'cat; echo oh >&2; exit 7'], {input: 'in'})
      expect([code, stdout, stderr]).to.deep.equal([7, 'in', 'oh\n'])
      expect((await lab.exec('edge', ['sh', '-c', 'kill -KILL $$'])).code).to.equal(137)
      const {stdout: environment} = await lab.exec('edge', [
        'sh',
        '-c',
        'echo $OVERLAY_RUN_DIR; ls -d $OVERLAY_RUN_DIR/bpf',
      ])
      expect(environment).to.equal(`${lab.host('edge').runDir}\n${lab.host('edge').runDir}/bpf\n`)
      const [program, ...words] = overlayCommand('lab', 'exec', '--lab', lab.name, 'edge', '--')
      const twice = ['echo', 'edge', '--name', 'a', '--name', 'edge', '--']
      expect(spawnSync(program, [...words, ...twice], {encoding: 'utf8'}).stdout).to.equal(
        'edge --name a --name edge --\n',
      )
      const late = await lab.exec('edge', ['sleep', '60'], {timeoutMs: 50}).catch((error) => error.code)
      expect(late).to.equal('DEADLINE_EXCEEDED')

      const stubborn = lab.spawn('edge', ['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 1; done'])
      await once(stubborn.child.stdout!, 'data')
      expect((await stubborn.stop('SIGTERM', 100)).signal).to.equal('SIGKILL')
      const forgotten = lab.spawn('gateway', ['sleep', '600'])
      const identity = identify(forgotten.pid)!

      const capture = await lab.capture('client', 'client-edge', files.path('load.pcap'), {filter: 'udp'})
      await sendLoad(lab, 'client', '10.77.1.21', {packets: 5000, perSecond: 20_000})
      expect(await capture.stop()).to.deep.equal({packets: 5000, dropped: 0})
      expect(await capture.stop()).to.deep.equal({packets: 5000, dropped: 0})
      expect((await lab.linkStats('client-edge')).towards.edge.received).to.be.at.least(5000)

      await lab.down()
      expect(isAlive(identity)).to.equal(false)
    } finally {
      await lab.down()
      files.remove()
    }

    expect(tracesOf(place(lab))).to.deep.equal([])
  })

  it('refuses what is not there, and removes what it had built when a step fails', async () => {
    await withRunDirectory(async (directory) => {
      const error = await Lab.up({name: 'x', congestionControl: 'nosuch'}, {owned: true}).catch((error_) => error_)
      expect(error.code).to.equal('KERNEL_FEATURE_MISSING')
      expect(existsSync(join(directory, 'lab', 'x'))).to.equal(false)
      const lab = await Lab.up({name: 'x'}, {owned: true})
      try {
        expect((await Lab.up({name: 'x'}, {owned: true}).catch((error_) => error_)).code).to.equal('ALREADY_EXISTS')
        expect(() => lab.host('egde')).to.throw('no host egde')
        const refused = await lab.setLink('edge-gateway', {lossPercent: 200}).catch((error_) => error_)
        expect(refused.code).to.equal('CONFIG_INVALID')
        const filter = await lab
          .capture('edge', 'edge-gateway', '/dev/null', {filter: 'nonsense'})
          .catch((error_) => error_)
        expect(filter.code).to.equal('USAGE')
      } finally {
        await lab.down()
      }
    })
  })

  it('is swept after its owner was killed', async () => {
    await withRunDirectory(async () => {
      const module = new URL('../../../src/lib/lab/lab.ts', import.meta.url).href
      const script = `import {Lab} from '${module}'
        const lab = await Lab.up({name: 'orphan', pairs: ['edge']}, {owned: true})
        lab.spawn('edge-a', ['sleep', '600'])
        console.log('up')
        setInterval(() => {}, 1000)`
      const owner = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(owner.stdout, 'data')
      const state = readState('orphan')!
      const lines = state.links.map((link) => link.process!)
      expect(lines.every((line) => isAlive(line))).to.equal(true)
      expect(await sweepLabs(), 'while its owner lives').to.deep.equal([])
      owner.kill('SIGKILL')
      await once(owner, 'exit')
      await until('delay lines end with their owner', () => !lines.some((line) => isAlive(line)), 2000)
      const next = await Lab.up({name: 'next'}, {owned: true})
      try {
        expect(tracesOf({id: state.id, directory: labDirectory('orphan')})).to.deep.equal([])
      } finally {
        await next.down()
      }
    })
  })

  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    it(`leaves nothing after ${signal} while it is being built`, async () => {
      await withRunDirectory(async () => {
        // At once, and further on, when the delay lines are started.
        for (const delayMs of [0, 60]) {
          const [program, ...words] = overlayCommand('lab', 'up', '--name', 'cut')
          const command = spawn(program, words, {stdio: 'ignore'})
          const ended = once(command, 'exit')
          await until('the build begins', () => readState('cut') !== null)
          const {id} = readState('cut')!
          await sleep(delayMs)
          command.kill(signal)
          const [code, by] = await ended
          // It may have been faster than the signal, and only about to say so: then the lab is simply up, as asked.
          if (code === 0 || readState('cut')?.phase === 'up') await Lab.open('cut').down()
          else expect(by).to.equal(signal)
          if (signal === 'SIGKILL') await sweepLabs()
          expect(tracesOf({id, directory: labDirectory('cut')}), `after ${delayMs} ms`).to.deep.equal([])
        }
      })
    })
  }
})
