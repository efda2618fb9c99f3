import {expect} from 'chai'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {RunningSettings} from '../../../src/lib/config/running-settings.js'
import {gatewaySettings} from '../../../src/lib/config/relay-settings.js'
import {Resolution} from '../../../src/lib/config/resolution.js'
import {runInForeground, type ReadyEvent} from '../../../src/lib/relay/foreground.js'
import {hostIsShuttingDown} from '../../../src/lib/service/host-shutdown.js'
import {Overlay, freeAddress, type Client} from '../relay/harness.js'

describe('a host that is shutting down', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ov-shutdown-'))

  after(() => rmSync(directory, {recursive: true, force: true}))

  /** A systemctl that says this. */
  function systemctl(says: string, code: number): string {
    const path = join(directory, `systemctl-${says}`)
    writeFileSync(path, `#!/bin/sh\n[ "$1" = is-system-running ] && echo ${says}\nexit ${code}\n`, {mode: 0o755})
    return path
  }

  it('is told from one that runs, by systemd alone', () => {
    expect(hostIsShuttingDown(directory, systemctl('stopping', 1))).to.equal(true)
    expect(hostIsShuttingDown(directory, systemctl('running', 0))).to.equal(false)
    expect(hostIsShuttingDown(directory, systemctl('degraded', 1))).to.equal(false)
    expect(hostIsShuttingDown(directory, join(directory, 'nonesuch'))).to.equal(false)
    expect(hostIsShuttingDown(join(directory, 'nonesuch'), systemctl('stopping', 1))).to.equal(false)
  })

  it('has a drain timeout of its own', async () => {
    const overlay = new Overlay()
    try {
      const origin = await overlay.origin((socket) => socket.pipe(socket))
      const [middle, listen] = [freeAddress(), freeAddress()]
      await overlay.edge('e', {listen, origin, gateway: [middle], 'health-interval': '100ms'})
      const flags = {
        name: 'g',
        listen: [middle],
        'allow-origin': [origin],
        'key-file': overlay.keyFile,
        processes: 1,
        'zero-rtt': false,
        'drain-timeout': '60s',
        'shutdown-drain-timeout': '200ms',
      }
      const resolution = new Resolution('gateway')
      const settings = gatewaySettings(flags, resolution)
      const running = new RunningSettings(resolution, (again) => gatewaySettings(flags, again))
      let held: Client
      const output = {
        ready(_event: ReadyEvent) {
          held = overlay.client(listen)
          held.socket.write('hello')
          held.until(5).then(
            () => process.emit('SIGTERM'),
            () => {},
          )
        },
        log() {},
      }
      const stopped = await runInForeground(settings, null, output, running, () => true)
      expect(stopped).to.include({event: 'stopped', open: 1, aborted: 1})
      expect(stopped.durationMs).to.be.within(150, 10_000)
    } finally {
      await overlay.close()
    }
  }).timeout(60_000)
})
