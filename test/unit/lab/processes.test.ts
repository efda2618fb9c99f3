import {expect} from 'chai'
import {spawn} from 'node:child_process'
import {once} from 'node:events'

import {exitCodeOf} from '../../../src/lib/lab/host-process.js'
import {endProcesses, identify, isAlive, signalProcess} from '../../../src/lib/lab/processes.js'

describe('processes of a lab', () => {
  it('are told apart from a later one of the same number', async () => {
    const self = identify(process.pid)!
    expect(isAlive(self)).to.equal(true)
    expect(isAlive({...self, startTime: self.startTime + 1})).to.equal(false)
    expect(identify(2 ** 22)).to.equal(null)
    // Would end this test if the start time were not looked at.
    signalProcess({...self, startTime: self.startTime - 1}, 'SIGKILL')
  })

  it('are read also when their name holds spaces and parentheses', async () => {
    const child = spawn('bash', ['-c', 'exec -a ignored sleep 5'], {argv0: 'a) (b'})
    await once(child, 'spawn')
    expect(identify(child.pid!)?.startTime).to.be.greaterThan(0)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(identify(child.pid!)).to.equal(null)
  })

  it('are ended, those that ignore SIGTERM by SIGKILL', async () => {
    const deaf = spawn('bash', ['-c', 'trap "" TERM; echo ready; while :; do sleep 0.05; done'])
    await once(deaf.stdout, 'data')
    const identity = identify(deaf.pid!)!
    const exited = once(deaf, 'exit')
    const left = await endProcesses(() => (isAlive(identity) ? [identity] : []), 50)
    expect(left).to.deep.equal([])
    expect((await exited)[1]).to.equal('SIGKILL')
  })

  it('give the exit codes that shells give', () => {
    expect(exitCodeOf({code: 7, signal: null})).to.equal(7)
    expect(exitCodeOf({code: null, signal: 'SIGKILL'})).to.equal(137)
  })
})
