import {expect} from 'chai'
import {spawn, type ChildProcess} from 'node:child_process'
import {chmodSync, existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {overlayCommand} from '../../../src/lib/cli/node-entry.js'
import {OverlayError} from '../../../src/lib/errors/index.js'
import {installService, uninstallService, type ServiceRequest} from '../../../src/lib/service/install.js'
import {UNIT_MARK} from '../../../src/lib/service/unit.js'
import {Overlay, eventually, freeAddress} from '../relay/harness.js'
import {NotifySocket} from './notify-socket.js'

const codeOf = (act: () => unknown): string | undefined => {
  try {
    act()
    return undefined
  } catch (error) {
    return (error as OverlayError).code
  }
}

describe('overlay service', () => {
  let overlay: Overlay
  let request: ServiceRequest
  const children: ChildProcess[] = []

  beforeEach(() => {
    overlay = new Overlay()
    const services = [
      {name: 'web', listen: freeAddress(), origin: '127.0.0.1:9', gateways: [freeAddress(), freeAddress()]},
    ]
    const edge = {keyFile: overlay.keyFile, processes: 1, zeroRtt: false, drainTimeout: '12s', services}
    const config = overlay.writeConfig({edge})
    request = {role: 'edge', name: 'default', config, directory: overlay.directory, dryRun: false}
  })

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await overlay.close()
  })

  it('writes a unit for this configuration, once, and removes it', () => {
    const path = join(overlay.directory, 'overlay-edge.service')
    const dry = installService({...request, dryRun: true})
    expect(dry).to.include({unit: 'overlay-edge.service', path, written: false})
    expect(existsSync(path)).to.equal(false)
    expect(installService(request)).to.include({written: true, text: dry.text})
    expect(readFileSync(path, 'utf8')).to.equal(dry.text)
    expect(dry.text).to.match(/^TimeoutStopSec=22$/m)
    expect(dry.text).to.match(/^PrivateTmp=no$/m)
    expect(installService(request).written).to.equal(false)
    writeFileSync(request.config, readFileSync(request.config, 'utf8').replace('12s', '20s'))
    expect(installService(request).written).to.equal(true)
    expect(readFileSync(path, 'utf8')).to.match(/^TimeoutStopSec=30$/m)
    expect(uninstallService('edge', 'default', overlay.directory)).to.include({path, disabled: false})
    expect(readdirSync(overlay.directory).filter((name) => name.includes('service'))).to.deep.equal([])
    expect(codeOf(() => uninstallService('edge', 'default', overlay.directory))).to.equal('NOT_FOUND')
  })

  it('leaves units of others alone', () => {
    const path = join(overlay.directory, 'overlay-edge.service')
    writeFileSync(path, '[Service]\nExecStart=/bin/true\n')
    expect(codeOf(() => installService(request))).to.equal('ALREADY_EXISTS')
    expect(codeOf(() => uninstallService('edge', 'default', overlay.directory))).to.equal('ALREADY_EXISTS')
    expect(readFileSync(path, 'utf8')).not.to.contain(UNIT_MARK)
  })

  it('refuses what could not start', () => {
    expect(codeOf(() => installService({...request, role: 'gateway'}))).to.equal('USAGE')
    expect(codeOf(() => installService({...request, name: '../x'}))).to.equal('USAGE')
    expect(codeOf(() => installService({...request, config: '/nonexistent'}))).to.equal('CONFIG_INVALID')
    expect(codeOf(() => installService({...request, directory: '/nonexistent'}))).to.equal('NOT_FOUND')
    chmodSync(overlay.keyFile, 0o644)
    expect(codeOf(() => installService(request))).to.equal('KEY_FILE_INVALID')
    const edge = {keyFile: 'keys', services: [{name: 'a', listen: '[::]:1', origin: '[::1]:2', gateways: ['[::1]:3']}]}
    expect(codeOf(() => installService({...request, config: overlay.writeConfig({edge})}))).to.equal('CONFIG_INVALID')
  })

  it('an edge tells its manager what it does, and is not well without its relay process', async () => {
    const path = join(overlay.directory, 'notify')
    const socket = new NotifySocket(path)
    try {
      const [program, ...words] = overlayCommand('edge', 'start', '--config', request.config)
      const env = {...process.env, NOTIFY_SOCKET: path, WATCHDOG_USEC: '600000'}
      const child = spawn(program, words, {stdio: 'ignore', env})
      children.push(child)
      const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)))
      const said = (pattern: RegExp): boolean => socket.read().some((message) => pattern.test(message))
      await eventually(
        'ready',
        () => said(/^READY=1\nSTATUS=ready on 127.0.0.1:\d+, 1 process, zero-RTT off\n$/),
        15_000,
      )
      await eventually('fed', () => said(/^WATCHDOG=1\nSTATUS=ready on .*, 0 connections\n$/))
      child.kill('SIGHUP')
      const order = (): string[] =>
        socket.read().flatMap((message) => (message.startsWith('WATCHDOG') ? [] : [message.split('=')[0]]))
      await eventually('reloaded', () => order().length === 3)
      expect(order()).to.deep.equal(['READY', 'RELOADING', 'READY'])

      const relay = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ')[0])
      process.kill(relay, 'SIGSTOP')
      // An answer that was under way may still come, and a feeding with it.
      await new Promise((resolve) => setTimeout(resolve, 300))
      const fed = socket.read().length
      await new Promise((resolve) => setTimeout(resolve, 1000))
      expect(socket.read().length).to.equal(fed)
      process.kill(relay, 'SIGCONT')
      await eventually('fed again', () => socket.read().length > fed)

      child.kill('SIGTERM')
      expect(await ended).to.equal(0)
      expect(order().at(-1)).to.equal('STOPPING')
    } finally {
      socket.close()
    }
  })
})
