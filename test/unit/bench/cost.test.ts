import {expect} from 'chai'
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import process from 'node:process'

import {MachineLoad, machineTime, parseMachineTime} from '../../../src/lib/bench/machine-load.js'
import {cpuSeconds, parseProcessStat, parsePss, pssKib, withDescendants} from '../../../src/lib/bench/process-cost.js'

const stat = (user: number, idle: number, steal: number) =>
  `cpu  ${user} 10 20 ${idle} 5 1 4 ${steal} 0 0\ncpu0 1 2 3\n`

describe('cost of processes', () => {
  it('is read from /proc/PID/stat, whatever the program is called', () => {
    const stat = '4711 (a) b (c) S 4242 4711 4711 0 -1 4194560 900 0 1 0 150 25 0 0 20 0 11 0 99 1 1'
    expect(parseProcessStat(stat)).to.deep.equal({parent: 4242, cpuSeconds: 1.75})
  })

  it('memory is the PSS of smaps_rollup', () => {
    expect(parsePss('Rss:  5000 kB\nPss:   1234 kB\nPss_Anon:  1000 kB\n')).to.equal(1234)
    expect(parsePss('')).to.equal(0)
  })

  it('counts the processes that a process has started, and nothing for one that has ended', async () => {
    const child = spawn('sleep', ['30'])
    const pid = child.pid!
    expect(withDescendants([process.pid])).to.include.members([process.pid, pid])
    expect(pssKib([process.pid])).to.be.above(1000)
    expect(cpuSeconds([process.pid])).to.be.above(0)
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(withDescendants([process.pid])).not.to.include(pid)
    expect(cpuSeconds([pid]) + pssKib([pid])).to.equal(0)
  })
})

describe('load of the machine', () => {
  it('is what other programs and the hypervisor took while something was measured', () => {
    const load = new MachineLoad()
    expect(load.shares()).to.deep.equal({stealShare: 0, othersShare: 0})
    // 100 ticks of programs, 0.8 s of them the bench's own; 60 idle, 40 steal.
    load.add(parseMachineTime(stat(500, 100, 0)), parseMachineTime(stat(600, 160, 40)), 0.8)
    expect(load.shares()).to.deep.equal({stealShare: 0.2, othersShare: 0.1})
  })

  it('reads this machine', () => {
    const {programs, total} = machineTime()
    expect(programs).to.be.above(0)
    expect(total).to.be.above(programs)
  })
})
