import {expect} from 'chai'
import {spawnSync} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {parseConfig} from '../../../src/lib/config/config-file.js'
import {EXAMPLES, exampleConfig} from '../../../src/lib/config/examples.js'
import {configJsonSchema} from '../../../src/lib/config/json-schema.js'
import {edgeSettings, gatewaySettings} from '../../../src/lib/config/relay-settings.js'
import {renderShown, shownSettings, showSchema, type ConfigShown} from '../../../src/lib/config/show.js'
import {configKeys} from '../../support/config-keys.js'

const OVERLAY = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))

const SECRET = 'ab'.repeat(32)

/** The JSON of a run of the built program. */
function show(words: string[], env: Record<string, string> = {}): ConfigShown {
  const {status, stdout} = spawnSync(process.execPath, [OVERLAY, 'config', 'show', '--json', ...words], {
    encoding: 'utf8',
    env: {...process.env, ...env},
    timeout: 15_000,
  })
  expect(status).to.equal(0)
  return showSchema.parse(JSON.parse(stdout))
}

describe('config show', () => {
  let directory: string
  let path: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ov-'))
    path = join(directory, 'overlay.yaml')
    writeFileSync(join(directory, 'keys'), `1 ${SECRET}\n`, {mode: 0o600})
    writeFileSync(
      path,
      `gateway:\n  keyFile: ${directory}/keys\n  listen: 1.2.3.4:5\n  allowOrigins: [10.0.0.0/8:80]\n  idleTimeout: 90s\n  maxPending: 9\n`,
    )
  })

  afterEach(() => rmSync(directory, {recursive: true}))

  it('names the flag, the variable, the file or the default that each value comes from', () => {
    const words = ['--role', 'gateway', '--config', path, '--', '--idle-timeout', '5m']
    const {settings, file} = show(words, {
      OVERLAY_GATEWAY_IDLE_TIMEOUT: '7m',
      OVERLAY_GATEWAY_MAX_PENDING: '8',
      OVERLAY_GATEWAY_ZERO_RTT: 'false',
    })
    expect(file).to.equal(path)
    const of = (key: string): string => {
      const {value, origin, from} = settings.find((setting) => setting.key === `gateway.${key}`)!
      return `${value} ${origin} ${from}`
    }

    expect(of('idleTimeout')).to.equal('5m flag --idle-timeout')
    expect(of('maxPending')).to.equal('8 environment OVERLAY_GATEWAY_MAX_PENDING')
    expect(of('zeroRtt')).to.equal('false environment OVERLAY_GATEWAY_ZERO_RTT')
    expect(of('listen')).to.equal('1.2.3.4:5 file null')
    expect(of('drainTimeout')).to.equal('30s default null')
  }).timeout(20_000)

  it('finds the file by the variable of the role', () => {
    const {settings, file} = show(['--role', 'gateway'], {OVERLAY_GATEWAY_CONFIG: path})
    expect(file).to.equal(path)
    expect(settings.find(({key}) => key === 'gateway.maxPending')).to.include({value: 9, origin: 'file'})
  }).timeout(20_000)

  it('never shows a key', () => {
    const shown = shownSettings('gateway', {name: 'default', config: path}, new Map())
    expect(JSON.stringify(shown) + renderShown(shown)).to.not.contain(SECRET)
    expect(shown.settings.find(({key}) => key === 'gateway.keyFile')).to.include({value: `${directory}/keys`})
  })

  it('says what is missing', () => {
    const {settings} = shownSettings('edge', {name: 'default'}, new Map())
    expect(settings.filter(({origin}) => origin === 'missing').map(({key, from}) => [key, from])).to.deep.equal([
      ['edge.keyFile', '--key-file'],
      ['edge.services', '--listen, --origin and --gateway'],
    ])
  })

  it('shows every key that the file can have, and the defaults that the schema names', () => {
    for (const role of ['edge', 'gateway'] as const) {
      writeFileSync(path, uncommented(exampleConfig('pair').replace('gateway:', `${role}:`), role))
      const {settings} = shownSettings(role, {name: 'default', config: path}, new Map())
      const shown = settings.map(({key}) => key.replaceAll(/\.\d+\./g, '[].'))
      const sections = /(\.pair|\.coordination|\.etcd|\.services|\.metrics)$/
      // The two of an entry are shown as one value.
      const expected = configKeys()
        .filter(({key}) => key.startsWith(`${role}.`) && !sections.test(key) && !key.includes('virtualAddresses[]'))
        .map(({key}) => key)
      expect([...new Set(shown)].sort()).to.deep.equal(expected.sort())
      const bare = shownSettings(role, {name: 'default'}, new Map()).settings
      for (const {key, fallback} of configKeys()) {
        const value = bare.find((setting) => setting.key === key)?.value
        if (fallback !== undefined && value !== undefined) expect(value, key).to.equal(fallback)
      }
    }
  })
})

describe('config example', () => {
  for (const example of [...EXAMPLES, undefined]) {
    it(`${example ?? 'without a word'} passes the check and can be started with`, () => {
      const text = exampleConfig(example)
      const {config, problems} = parseConfig(text)
      expect(problems).to.deep.equal([])
      const directory = mkdtempSync(join(tmpdir(), 'ov-'))
      try {
        const path = join(directory, 'overlay.yaml')
        writeFileSync(path, text)
        if (config!.edge) edgeSettings({name: 'default', config: path})
        if (config!.gateway) gatewaySettings({name: 'default', config: path})
      } finally {
        rmSync(directory, {recursive: true})
      }
    })
  }

  it('names every key, and passes the check with all of them in place', () => {
    const edge = exampleConfig('edge')
    const gateway = exampleConfig('gateway')
    const pair = exampleConfig('pair')
    for (const text of [edge, gateway, pair]) {
      expect(parseConfig(uncommented(text, '')).problems).to.deep.equal([])
    }

    for (const {key} of configKeys()) {
      const name = key.split('.').at(-1)!.replace('[]', '')
      const text = key.includes('.pair') ? pair : key.startsWith('edge') ? edge : gateway
      expect(text, key).to.match(new RegExp(`\\b${name}:`))
    }
  })
})

describe('config schema', () => {
  it('describes every key', () => {
    expect(configKeys().filter(({description}) => description === '')).to.deep.equal([])
    expect(configJsonSchema()).to.include({$schema: 'https://json-schema.org/draft/2020-12/schema'})
  })
})

/** An example with its commented keys in place. @param role to which keys of services or listeners are added */
function uncommented(text: string, role: string): string {
  const open = text.replaceAll(/^(\s+)# ?(\s*[\w]+:.*)$/gm, '$1$2')
  if (role !== 'edge') return open
  return open
    .replace(/^ {2}listen:.*$/m, '  services: [{name: w, listen: 1.2.3.4:5, origin: 1.2.3.4:6, gateways: [1.2.3.4:7]}]')
    .replace(/^ {2}allowOrigins:.*$/m, '')
}
