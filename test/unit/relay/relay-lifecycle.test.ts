import {expect} from 'chai'
import {spawn, type ChildProcessByStdio} from 'node:child_process'
import {chmodSync, existsSync, statSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import {join} from 'node:path'
import type {Readable} from 'node:stream'

import {overlayCommand} from '../../../src/lib/cli/node-entry.js'
import {OverlayError} from '../../../src/lib/errors/index.js'
import {Overlay, eventually, freeAddress, pause, split} from './harness.js'

describe('an edge and a gateway from start to end', () => {
  let overlay: Overlay
  const commands: Command[] = []

  beforeEach(() => {
    overlay = new Overlay()
  })

  afterEach(async () => {
    for (const command of commands.splice(0)) command.kill('SIGKILL')
    await overlay.close()
  })

  function run(...words: string[]): Command {
    const command = new Command(words)
    commands.push(command)
    return command
  }

  async function pair(): Promise<{listen: string; edge: Awaited<ReturnType<Overlay['edge']>>}> {
    const origin = await overlay.origin((socket) => socket.pipe(socket))
    const [middle, listen] = [freeAddress(), freeAddress()]
    await overlay.gateway('g', middle)
    return {listen, edge: await overlay.edge('e', {listen, origin, gateway: [middle]})}
  }

  it('drains: no new connections, open ones to their end', async () => {
    const {listen, edge} = await pair()
    const client = overlay.client(listen)
    client.socket.write('hello')
    await client.until(5)
    const drained = edge.drain(5000)
    await eventually('nobody listens', async () => {
      const late = overlay.client(listen)
      await Promise.race([late.closed, pause(100)])
      late.socket.destroy()
      return late.error === 'ECONNREFUSED'
    })
    client.socket.write(' more')
    expect(await client.until(10)).to.equal('hello more')
    client.socket.end()
    await client.untilEnd()
    expect(await drained).to.include({open: 1, aborted: 0})
  })

  it('resets at the drain deadline what is still open', async () => {
    const {listen, edge} = await pair()
    const client = overlay.client(listen)
    client.socket.write('hello')
    await client.until(5)
    const started = Date.now()
    expect(await edge.drain(300)).to.include({open: 1, aborted: 1})
    expect(Date.now() - started).to.be.within(250, 1500)
    await client.closed
    expect(client.error).to.equal('ECONNRESET')
  })

  it('rotates keys under load without an error', async () => {
    const origin = await overlay.origin((socket) => socket.pipe(socket))
    const [middle, listen] = [freeAddress(), freeAddress()]
    const gateway = await overlay.gateway('g', middle)
    const edge = await overlay.edge('e', {listen, origin, gateway: [middle], 'health-interval': '100ms'})
    const state = {stopped: false, done: 0, failed: 0}
    const lane = async (): Promise<void> => {
      while (!state.stopped) {
        const client = overlay.client(listen)
        client.socket.write('ping')
        if ((await client.until(4)) !== 'ping') state.failed++
        client.socket.end()
        await client.closed
        state.done++
      }
    }

    const lanes = Promise.all(Array.from({length: 4}, lane))
    // Second on both, first on both, alone on both.
    for (const ids of [[1, 2], [2, 1], [2]]) {
      overlay.writeKeys(...ids)
      await pause(80)
      await gateway.reloadKeys()
      await pause(80)
      expect(await edge.reloadKeys()).to.deep.equal({current: ids[0], previous: ids[1] ?? null})
    }

    await pause(150)
    state.stopped = true
    await lanes
    expect(state.done).to.be.greaterThan(50)
    expect(state.failed).to.equal(0)
    expect((await edge.status()).traffic)
      .to.have.property('redials')
      .that.deep.equals({})
  })

  it('keeps its keys when the file is bad', async () => {
    const {listen, edge} = await pair()
    writeFileSync(overlay.keyFile, 'nonsense\n', {mode: 0o600})
    expect(await codeOf(() => edge.reloadKeys())).to.equal('KEY_FILE_INVALID')
    expect((await edge.status()).keys).to.deep.equal({current: 1, previous: null})
    const client = overlay.client(listen)
    client.socket.write('hello')
    expect(await client.until(5)).to.equal('hello')
  })

  it('says what is wrong before anything runs', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const {port} = taken.address() as {port: number}
    try {
      expect(await codeOf(() => overlay.gateway('a', `127.0.0.1:${port}`))).to.equal('ADDRESS_IN_USE')
      expect(await codeOf(() => overlay.gateway('a', '192.0.2.1:7000'))).to.equal('ADDRESS_IN_USE')
      const middle = freeAddress()
      await overlay.gateway('b', middle)
      // With SO_REUSEPORT alone this would be let in.
      expect(await codeOf(() => overlay.gateway('c', middle))).to.equal('ADDRESS_IN_USE')
      expect(await codeOf(() => overlay.gateway('b', freeAddress()))).to.equal('ALREADY_EXISTS')
      const nowhere = join(overlay.directory, 'none')
      expect(await codeOf(() => overlay.gateway('d', freeAddress(), {'key-file': nowhere}))).to.equal(
        'KEY_FILE_INVALID',
      )
      chmodSync(overlay.keyFile, 0o644)
      expect(await codeOf(() => overlay.gateway('d', freeAddress()))).to.equal('KEY_FILE_INVALID')
      chmodSync(overlay.keyFile, 0o600)
      expect(await codeOf(() => overlay.gateway('d', freeAddress(), {'congestion-control': 'nonesuch'}))).to.equal(
        'CONFIG_INVALID',
      )
      expect(await codeOf(() => overlay.gateway('../d', freeAddress()))).to.equal('USAGE')
      expect(await codeOf(() => overlay.gateway('d', freeAddress(), {'allow-origin': ['10.0.0.0/33:80']}))).to.equal(
        'USAGE',
      )
      for (const name of ['a', 'c', 'd'])
        expect(existsSync(join(overlay.directory, 'run/gateway', name))).to.equal(false)
    } finally {
      taken.close()
    }
  })

  it('keeps its files from others and removes them', async () => {
    const {edge} = await pair()
    const place = join(overlay.directory, 'run/edge/e')
    expect(statSync(place).mode & 0o777).to.equal(0o700)
    expect(statSync(join(place, 'admin.sock')).mode & 0o777).to.equal(0o600)
    expect(statSync(join(overlay.directory, 'run/gateway/g/replay-window')).mode & 0o777).to.equal(0o600)
    await edge.drain(1000)
    await eventually('the directory is gone', () => !existsSync(place))
  })

  it('runs as commands: ready line, status, drain, exit codes', async () => {
    const origin = await overlay.origin((socket) => socket.pipe(socket))
    const [middle, listen] = [freeAddress(), freeAddress()]
    const start = ['--key-file', overlay.keyFile, '--no-zero-rtt', '--processes', '1']
    const gateway = run('gateway', 'start', '--listen', middle, '--allow-origin', '127.0.0.1:*', ...start)
    await gateway.line(/ready/)
    const edge = run('edge', 'start', '--listen', listen, '--origin', origin, '--gateway', middle, ...start, '--json')
    await edge.line(/ready/)
    await eventually('the ready event is there', () => edge.out.includes('\n'))
    expect(JSON.parse(edge.out.split('\n')[0])).to.include({event: 'ready', role: 'edge', name: 'default'})
    const client = overlay.client(listen)
    client.socket.write('hello')
    expect(await client.until(5)).to.equal('hello')

    const status = await run('edge', 'status', '--json').ended
    expect(status.code).to.equal(0)
    expect(JSON.parse(status.out)).to.have.nested.property('traffic.connections.live', 1)
    const text = await run('gateway', 'status').ended
    expect(text.out).to.match(/1 open/)

    const unknown = await run('edge', 'status', '--name', 'nope', '--json').ended
    expect(unknown.code).to.equal(4)
    expect(JSON.parse(unknown.out)).to.have.nested.property('error.code', 'NOT_RUNNING')

    const second = await run(
      'gateway',
      'start',
      '--listen',
      middle,
      '--allow-origin',
      '127.0.0.1:*',
      '--name',
      'x',
      ...start,
    ).ended
    expect(second.code).to.equal(2)
    expect(second.err).to.match(/ADDRESS_IN_USE/)

    // SIGTERM drains; a second signal does not wait.
    edge.kill('SIGTERM')
    await edge.line(/draining/)
    expect(edge.running).to.equal(true)
    edge.kill('SIGTERM')
    const stopped = await edge.ended
    expect(stopped.code).to.equal(0)
    await client.closed
    expect(client.error).to.equal('ECONNRESET')

    const drain = await run('gateway', 'drain', '--timeout', '2s', '--json').ended
    expect(drain.code).to.equal(0)
    expect(JSON.parse(drain.out)).to.include({aborted: 0})
    expect((await gateway.ended).code).to.equal(0)
    expect(existsSync(join(overlay.directory, 'run/gateway/default'))).to.equal(false)
  }).timeout(60_000)

  it('re-reads keys on SIGHUP and says when it cannot', async () => {
    const gateway = run(
      'gateway',
      'start',
      '--listen',
      freeAddress(),
      '--allow-origin',
      '127.0.0.1:*',
      '--key-file',
      overlay.keyFile,
      '--no-zero-rtt',
      '--processes',
      '1',
    )
    await gateway.line(/ready/)
    overlay.writeKeys(2, 1)
    gateway.kill('SIGHUP')
    await gateway.line(/keys reloaded: current 2, previous 1/)
    writeFileSync(overlay.keyFile, '\n')
    gateway.kill('SIGHUP')
    await gateway.line(/not reloaded, everything stays as it is/)
    gateway.kill('SIGINT')
    expect((await gateway.ended).code).to.equal(0)
  }).timeout(30_000)

  it('reads configuration and keys again on reload, or changes nothing', async () => {
    const listen = freeAddress()
    const section = {keyFile: overlay.keyFile, listen, allowOrigins: ['127.0.0.1:*'], zeroRtt: false, processes: 1}
    const config = overlay.writeConfig({gateway: section})
    const gateway = run('gateway', 'start', '--config', config)
    await gateway.line(/ready/)
    const reload = async (): Promise<{code: number | null; result: unknown}> => {
      const {code, out} = await run('gateway', 'reload', '--json').ended
      return {code, result: JSON.parse(out)}
    }

    overlay.writeKeys(2, 1)
    expect(await reload()).to.deep.equal({code: 0, result: {keys: {current: 2, previous: 1}, applied: [], restart: []}})
    overlay.writeKeys(3, 2)
    overlay.writeConfig({gateway: {...section, idelTimeout: '5m'}})
    const refused = await reload()
    expect(refused.code).to.equal(2)
    expect(refused.result).to.have.nested.property('error.code', 'CONFIG_INVALID')
    gateway.kill('SIGHUP')
    await gateway.line(/not reloaded, everything stays as it is: .*idelTimeout/)
    overlay.writeConfig({gateway: {...section, idleTimeout: '5m', allowOrigins: ['127.0.0.1:80'], initialWindow: 20}})
    const applied = ['gateway.allowOrigins', 'gateway.idleTimeout']
    expect(await reload()).to.deep.equal({
      code: 3,
      result: {keys: {current: 3, previous: 2}, applied, restart: ['gateway.initialWindow']},
    })
    expect(await reload(), 'what was applied is no change any more').to.deep.equal({
      code: 3,
      result: {keys: {current: 3, previous: 2}, applied: [], restart: ['gateway.initialWindow']},
    })
    gateway.kill('SIGINT')
    expect((await gateway.ended).code).to.equal(0)
  }).timeout(60_000)

  it('leaves no process when the supervisor is killed, and starts again over what it left', async () => {
    const middle = freeAddress()
    const words = ['gateway', 'start', '--listen', middle, '--allow-origin', '127.0.0.1:*']
    const rest = ['--key-file', overlay.keyFile, '--no-zero-rtt', '--processes', '2', '--json']
    const killed = run(...words, ...rest)
    await killed.line(/ready/)
    // The line on stderr may be read before the one on stdout.
    await eventually('the ready event is there', () => killed.out.includes('\n'))
    const {processes} = JSON.parse(killed.out.split('\n')[0]) as {processes: number[]}
    expect(processes.length).to.equal(2)
    killed.kill('SIGKILL')
    await eventually('the relay processes have ended', () => processes.every((pid) => !existsSync(`/proc/${pid}`)))
    expect(existsSync(join(overlay.directory, 'run/gateway/default/admin.sock'))).to.equal(true)
    const gone = await run('gateway', 'status').ended
    expect(gone.code).to.equal(4)
    const again = run(...words, ...rest)
    await again.line(/ready/)
    again.kill('SIGTERM')
    expect((await again.ended).code).to.equal(0)
    expect(existsSync(join(overlay.directory, 'run/gateway/default'))).to.equal(false)
    expect(split(middle).port).to.be.greaterThan(0)
  }).timeout(60_000)
})

async function codeOf(act: () => Promise<unknown>): Promise<string> {
  try {
    await act()
    return 'no error'
  } catch (error) {
    return error instanceof OverlayError ? error.code : String(error)
  }
}

/** A run of the command line. */
class Command {
  out = ''
  err = ''
  running = true
  readonly ended: Promise<{code: number | null; out: string; err: string}>
  private readonly child: ChildProcessByStdio<null, Readable, Readable>

  constructor(words: string[]) {
    const [program, ...args] = overlayCommand(...words)
    this.child = spawn(program, args, {stdio: ['ignore', 'pipe', 'pipe'], env: {...process.env, NODE_OPTIONS: ''}})
    this.child.stdout.on('data', (bytes: Buffer) => {
      this.out += bytes.toString()
    })
    this.child.stderr.on('data', (bytes: Buffer) => {
      this.err += bytes.toString()
    })
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code) => {
        this.running = false
        resolve({code, out: this.out, err: this.err})
      })
    })
  }

  async line(pattern: RegExp): Promise<void> {
    await eventually(
      `${pattern} on stderr`,
      () => {
        if (!this.running) throw new Error(`ended: ${this.err}`)
        return pattern.test(this.err)
      },
      15_000,
    )
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }
}
