import {expect} from 'chai'
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {ServiceManager} from '../../../src/lib/service/service-manager.js'
import {eventually, pause, randomName} from '../relay/harness.js'
import {NotifySocket} from './notify-socket.js'

describe('telling the service manager', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ov-notify-'))
  const troubles: string[] = []
  let socket: NotifySocket
  let manager: ServiceManager | null = null

  const open = (environment: NodeJS.ProcessEnv): ServiceManager | null => {
    manager = ServiceManager.of(environment, (message) => troubles.push(message))
    return manager
  }

  beforeEach(() => {
    troubles.length = 0
  })

  afterEach(() => {
    manager?.close()
    manager = null
    socket?.close()
  })

  after(() => rmSync(directory, {recursive: true, force: true}))

  for (const [kind, path] of [
    ['a socket file', join(directory, 'notify')],
    ['a name of the abstract namespace', `@overlay-test-${randomName()}`],
  ]) {
    it(`by ${kind}: ready, reloading, stopping`, () => {
      socket = new NotifySocket(path)
      const told = open({NOTIFY_SOCKET: path})!
      told.ready('serves\n  two')
      const before = process.hrtime.bigint() / 1000n
      told.reloading()
      told.ready('again')
      told.stopping('drains')
      const messages = socket.read()
      expect(messages[0]).to.equal('READY=1\nSTATUS=serves two\n')
      const microseconds = BigInt(/^RELOADING=1\nMONOTONIC_USEC=(\d+)\n$/.exec(messages[1])![1])
      expect(microseconds - before >= 0n && microseconds - before < 1_000_000n).to.equal(true)
      expect(messages.slice(2)).to.deep.equal(['READY=1\nSTATUS=again\n', 'STOPPING=1\nSTATUS=drains\n'])
      expect(troubles).to.deep.equal([])
    })
  }

  it('is silent without a manager, and takes the variables away from children', () => {
    expect(open({})).to.equal(null)
    const environment = {NOTIFY_SOCKET: '@overlay-nobody', WATCHDOG_USEC: '1000000', WATCHDOG_PID: '1', PATH: 'x'}
    expect(open(environment)!.watchdogMs).to.equal(null)
    expect(environment).to.deep.equal({PATH: 'x'})
  })

  it('says once when nobody takes its messages', () => {
    const told = open({NOTIFY_SOCKET: join(directory, 'nobody')})!
    told.ready('one')
    told.ready('two')
    expect(troubles).to.deep.equal(['the service manager cannot be told: ENOENT'])
    expect(open({NOTIFY_SOCKET: 'vsock:2:1234'})).to.equal(null)
    expect(open({NOTIFY_SOCKET: `/${'x'.repeat(200)}`})).to.equal(null)
    expect(troubles).to.have.lengthOf(3)
  })

  it('feeds the watchdog for as long as the service is well', async () => {
    const path = join(directory, 'watchdog')
    socket = new NotifySocket(path)
    const told = open({NOTIFY_SOCKET: path, WATCHDOG_USEC: '150000', WATCHDOG_PID: String(process.pid)})!
    expect(told.watchdogMs).to.equal(150)
    const state = {well: true}
    told.watch(async () => (state.well ? 'well' : null))
    await eventually('fed twice', () => socket.read().length >= 2)
    expect(new Set(socket.messages)).to.deep.equal(new Set(['WATCHDOG=1\nSTATUS=well\n']))
    state.well = false
    await pause(60)
    const fed = socket.read().length
    await pause(300)
    expect(socket.read().length).to.equal(fed)
  })

  it('keeps what a full queue does not take, and its order', async () => {
    const path = join(directory, 'full')
    socket = new NotifySocket(path)
    const told = open({NOTIFY_SOCKET: path})!
    const count = Number(readFileSync('/proc/sys/net/unix/max_dgram_qlen', 'utf8')) + 20
    for (let i = 0; i < count; i++) told.ready(String(i))
    expect(socket.read().length).to.be.lessThan(count)
    await eventually('all are there', () => socket.read().length === count, 15_000)
    expect(socket.messages.map((message) => Number(/STATUS=(\d+)/.exec(message)![1]))).to.deep.equal(
      Array.from({length: count}, (_, index) => index),
    )
  })
})
