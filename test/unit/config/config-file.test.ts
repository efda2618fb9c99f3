import {expect} from 'chai'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {parseConfig, readConfigFile} from '../../../src/lib/config/config-file.js'
import {parseDuration} from '../../../src/lib/config/duration.js'
import {edgeSettings, gatewaySettings} from '../../../src/lib/config/relay-settings.js'
import {OverlayError} from '../../../src/lib/errors/index.js'

const FILE = `
edge:
  keyFile: /etc/overlay/keys
  processes: 3
  idleTimeout: 5m
  services:
    - name: web
      listen: 0.0.0.0:443
      origin: 10.9.0.5:443
      gateways: [203.0.113.9:7000, 198.51.100.9:7000]
    - name: mail
      listen: 0.0.0.0:25
      origin: 10.9.0.6:25
      gateways: [198.51.100.9:7000]
gateway:
  keyFile: keys
  listen: "[2001:db8::9]:7000"
  allowOrigins: [10.9.0.0/24:443, "[fd00::/8]:80-90"]
`

describe('configuration file', () => {
  let directory: string
  let path: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ov-'))
    path = join(directory, 'overlay.yaml')
    writeFileSync(path, FILE)
  })

  afterEach(() => rmSync(directory, {recursive: true}))

  it('becomes the settings of an edge', () => {
    const settings = edgeSettings({name: 'default', config: path})
    expect(settings).to.deep.include({
      processes: 3,
      keyFile: '/etc/overlay/keys',
      drainTimeoutMs: 30_000,
      zeroRtt: true,
    })
    expect(settings.config.limits.idleTimeoutMs).to.equal(300_000)
    expect(settings.config.gateways).to.deep.equal([
      {address: '203.0.113.9', port: 7000},
      {address: '198.51.100.9', port: 7000},
    ])
    expect(settings.config.services.map(({name, gateways}) => [name, gateways])).to.deep.equal([
      ['web', [0, 1]],
      ['mail', [1]],
    ])
    expect(settings.listeners.map(({port}) => port)).to.deep.equal([443, 25])
  })

  it('becomes the settings of a gateway', () => {
    const settings = gatewaySettings({name: 'default', config: path})
    expect(settings.config.listen).to.deep.equal([{address: '2001:db8::9', port: 7000}])
    expect(settings.config.allowOrigins).to.deep.equal(['10.9.0.0/24:443', '[fd00::/8]:80-90'])
  })

  it('gives way to flags', () => {
    const settings = gatewaySettings({
      name: 'default',
      config: path,
      listen: ['127.0.0.1:1', '[::1]:1'],
      processes: 1,
      'idle-timeout': '7s',
      'zero-rtt': false,
    })
    expect(settings).to.deep.include({processes: 1, zeroRtt: false, keyFile: 'keys'})
    expect(settings.listeners).to.deep.equal([
      {address: '127.0.0.1', port: 1},
      {address: '::1', port: 1},
    ])
    expect(settings.config.limits.idleTimeoutMs).to.equal(7000)
    expect(messageOf(() => edgeSettings({name: 'x', config: path, listen: '127.0.0.1:1'}))).to.match(/several services/)
  })

  const problems: [string, string, string, number | null, string | undefined][] = [
    ['an unknown key', 'edge:\n  idelTimeout: 1h\n', 'edge.idelTimeout', 2, 'idleTimeout'],
    ['an unknown section', '\n\ngatway: {}\n', 'gatway', 3, 'gateway'],
    [
      'an unknown key in a list',
      'edge:\n  services:\n    - name: a\n      listen: 1.2.3.4:5\n      origin: 1.2.3.4:5\n      gateway: [1.2.3.4:5]\n      gateways: [1.2.3.4:5]\n',
      'edge.services.0.gateway',
      6,
      'gateways',
    ],
    ['a bad address', 'gateway:\n  listen: localhost:80\n', 'gateway.listen', 2, undefined],
    ['a bad duration', 'edge:\n  processes: 1\n  idleTimeout: 5\n', 'edge.idleTimeout', 3, undefined],
    [
      'a bad origin',
      'gateway:\n  allowOrigins:\n    - 10.0.0.0/8:80\n    - 10.0.0.0/99:80\n',
      'gateway.allowOrigins.1',
      4,
      undefined,
    ],
    ['a missing key', 'edge:\n  services:\n    - name: a\n', 'edge.services.0.listen', 3, undefined],
    ['a number out of range', 'edge: {processes: 0}\n', 'edge.processes', 1, undefined],
    ['broken YAML', 'edge: [\n', 'edge', 2, undefined],
  ]
  for (const [what, text, key, line, suggestion] of problems) {
    it(`names ${what} and its line`, () => {
      const [first] = parseConfig(text).problems
      expect(first.key).to.equal(key)
      expect(first.line).to.equal(line)
      expect(first.suggestion).to.equal(suggestion)
      expect(first.message).to.not.equal('')
    })
  }

  it('is what docs/RELAY.md shows', () => {
    const page = readFileSync(new URL('../../../docs/RELAY.md', import.meta.url), 'utf8')
    const [, yaml] = /```yaml\n(.*?)```/s.exec(page) ?? []
    expect(parseConfig(yaml).problems).to.deep.equal([])
    writeFileSync(path, yaml)
    expect(edgeSettings({name: 'default', config: path}).config).to.include({
      confirmTimeoutMs: 1000,
      connectTimeoutMs: 10_000,
    })
    expect(gatewaySettings({name: 'default', config: path}).listeners.length).to.equal(2)
  })

  it('is an error with code, file and line when it is bad or missing', () => {
    writeFileSync(path, 'edge:\n  nonsense: 1\n')
    expect(messageOf(() => readConfigFile(path))).to.equal(
      `CONFIG_INVALID: ${path}, line 2: edge.nonsense: there is no such key`,
    )
    expect(messageOf(() => readConfigFile(join(directory, 'none')))).to.match(/^CONFIG_INVALID/)
  })

  it('is not needed, but then flags are', () => {
    expect(messageOf(() => edgeSettings({name: 'default'}))).to.match(/^USAGE: --listen, --origin and --gateway/)
    expect(messageOf(() => gatewaySettings({name: 'default', listen: ['1.2.3.4:5']}))).to.match(
      /^USAGE: --allow-origin/,
    )
    const flags = {name: 'default', listen: '127.0.0.1:1', origin: '127.0.0.1:2', gateway: ['127.0.0.1:3']}
    expect(messageOf(() => edgeSettings(flags))).to.match(/^USAGE: --key-file/)
    expect(edgeSettings({...flags, 'key-file': 'k'}).config.services[0]).to.deep.include({
      name: 'default',
      gateways: [0],
    })
  })
})

describe('duration', () => {
  it('reads units and refuses the rest', () => {
    expect(parseDuration('500ms', 'x')).to.equal(500)
    expect(parseDuration('1.5h', 'x')).to.equal(5_400_000)
    for (const text of ['5', '-1s', '0s', '25h', '1d', 's', '']) {
      expect(() => parseDuration(text, '--idle-timeout'), text).to.throw(`--idle-timeout: "${text}"`)
    }
  })
})

function messageOf(act: () => unknown): string {
  try {
    act()
    return 'no error'
  } catch (error) {
    return error instanceof OverlayError ? `${error.code}: ${error.message}` : String(error)
  }
}
