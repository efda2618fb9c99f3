import {expect} from 'chai'
import {spawnSync} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {checkConfigFile, checkSchema, renderCheck} from '../../../src/lib/config/check.js'
import {parseConfig} from '../../../src/lib/config/config-file.js'

const OVERLAY = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))

const PAIR = `member: a, listen: "10.0.0.1:7900", peer: "10.0.0.2:7900", virtualAddresses: [{address: 10.1.0.10/24, peer: 10.1.0.12}]`
const SERVICE = `{name: web, listen: 0.0.0.0:443, origin: 10.9.0.5:443, gateways: [203.0.113.9:7000]}`

/** Problems as `line key: message`. */
function problems(text: string): string[] {
  return parseConfig(text).problems.map(({key, line, message}) => `${line} ${key}: ${message}`)
}

describe('config check', () => {
  let directory: string
  let path: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ov-'))
    path = join(directory, 'overlay.yaml')
  })

  afterEach(() => rmSync(directory, {recursive: true}))

  it('lists all problems in the order of the file', () => {
    const text = [
      'edge:',
      '  idelTimeout: 1h',
      '  idleTimeout: 5',
      '  processes: 2',
      '  processes: 99',
      '  pair: {member: c, heartbeat: 100ms}',
      'gateway:',
      '  listen: [1.2.3.4:5, here]',
    ].join('\n')
    expect(problems(text)).to.deep.equal([
      '2 edge.idelTimeout: there is no such key',
      '3 edge.idleTimeout: is 5, and must be a text',
      '5 edge.processes: the key stands there twice',
      '5 edge.processes: must be 64 at most',
      '6 edge.pair.member: must be a or b',
      '6 edge.pair.listen: must be there and is not',
      '6 edge.pair.peer: must be there and is not',
      '6 edge.pair.virtualAddresses: must be there and is not',
      '6 edge.pair.heartbeat: lease: 250 ms is less than five heartbeats of 100 ms',
      '8 gateway.listen.1: "here" is not ADDRESS:PORT',
    ])
  })

  const between: [string, string, string][] = [
    [
      'two services of one name',
      `edge:\n  services:\n    - ${SERVICE}\n    - ${SERVICE.replace('443', '444')}\n`,
      '4 edge.services.1.name: two services are named "web"',
    ],
    [
      'two services on one address, however it is written',
      `edge:\n  services:\n    - ${SERVICE.replace('0.0.0.0:443', '"[2001:db8::1]:1"')}\n    - ${SERVICE.replace('web', 'mail').replace('0.0.0.0:443', '"[2001:db8:0::1]:1"')}\n`,
      '4 edge.services.1.listen: "web" and "mail" both listen on [2001:db8:0::1]:1',
    ],
    [
      'a gateway that stands twice in a service',
      `edge:\n  services:\n    - ${SERVICE.replace('[203', '[203.0.113.9:7000, 203')}\n`,
      '3 edge.services.0.gateways.1: 203.0.113.9:7000 stands there twice',
    ],
    [
      'an address that a gateway listens on twice',
      'gateway:\n  listen:\n    - 1.2.3.4:5\n    - 1.2.3.4:5\n',
      '4 gateway.listen.1: 1.2.3.4:5 stands there twice',
    ],
    [
      'a pair with several processes',
      `gateway:\n  pair: {${PAIR}}\n  processes: 2\n`,
      '3 gateway.processes: 2, but a member of a pair has one',
    ],
    [
      'a lease that outlives the takeover',
      `edge:\n  pair: {${PAIR}, lease: 400ms}\n`,
      '2 edge.pair.lease: takeover: 400 ms is not 50 ms more than the lease of 400 ms',
    ],
    [
      'a pair whose ends are one',
      `edge:\n  pair: {${PAIR.replace('0.2:7900', '0.1:7900')}}\n`,
      "2 edge.pair.peer: 10.0.0.1:7900 is this server's own end: listen",
    ],
    [
      'a virtual address and a peer of different families',
      `edge:\n  pair: {${PAIR.replace('10.1.0.12', 'fd00::1')}}\n`,
      '2 edge.pair.virtualAddresses.0.peer: virtualAddresses: 10.1.0.10 and its peer are of different families',
    ],
    [
      'half of what a certificate needs',
      `edge:\n  pair: {${PAIR}, coordination: {etcd: {endpoints: ["https://e:2379"], name: x, caFile: c, certFile: d}}}\n`,
      '2 edge.pair.coordination.etcd.certFile: certFile and keyFile belong together',
    ],
    [
      'a short lease in etcd',
      `edge:\n  pair: {${PAIR}, coordination: {etcd: {endpoints: ["https://e:2379"], name: x, ttl: 1s}}}\n`,
      '2 edge.pair.coordination.etcd.ttl: 1000 ms is less than 2000 ms',
    ],
  ]
  for (const [what, text, expected] of between) {
    it(`finds ${what}`, () => expect(problems(text)).to.deep.equal([expected]))
  }

  it('judges the good services between themselves when another is not', () => {
    const text = [
      'edge:',
      '  services:',
      `    - ${SERVICE}`,
      `    - ${SERVICE.replace('443', 'x')}`,
      `    - ${SERVICE}`,
    ]
    expect(problems(text.join('\n'))).to.deep.equal([
      '4 edge.services.1.listen: "0.0.0.0:x" is not ADDRESS:PORT',
      '5 edge.services.2.name: two services are named "web"',
      '5 edge.services.2.listen: "web" and "web" both listen on 0.0.0.0:443',
    ])
  })

  const unfit: [string, Buffer | string, string][] = [
    ['an empty file', '', '1 : neither edge nor gateway stands in it'],
    ['a list', '\n- edge\n', '2 : is a list, and must be a section with keys'],
    ['an alias bomb', bomb(), '2 b.0: Excessive alias count indicates a resource exhaustion attack'],
    ['20,000 brackets', `edge:\n  services: ${'['.repeat(20_000)}`, '2 : nested deeper than 32 levels'],
    ['20,000 dashes', `edge:\n  services: ${'\n   - '}${'- '.repeat(20_000)}`, '3 : nested deeper than 32 levels'],
    ['300 columns', `edge:\n${' '.repeat(300)}processes: 1\n`, '2 : indented by more than 256 columns'],
    ['100,000 commas', `edge: [${'1,'.repeat(100_000)}]`, '1 : more than 30000 words and signs'],
    ['more than 1 MiB', '#'.repeat(1_048_577), '1 : larger than 1048576 bytes'],
    ['a NUL', 'edge:\n  keyFile: a\0b\n', '2 : a control character (0x00)'],
    ['Latin-1', Buffer.from('edge:\n  keyFile: schlüssel\n', 'latin1'), '2 : not UTF-8 (byte 0xfc)'],
    ['a tab', 'edge:\n\tprocesses: 1\n', '2 edge: Tabs are not allowed as indentation'],
    ['a set of YAML 1.1', '%YAML 1.1\n---\nedge: !!set {processes}\n', '3 edge: Unresolved tag: tag:yaml.org,2002:set'],
  ]
  for (const [what, content, expected] of unfit) {
    it(`refuses ${what}`, () => {
      writeFileSync(path, content)
      const [first] = checkConfigFile(path).report.problems
      expect(`${first.line} ${first.key}: ${first.message}`).to.equal(expected)
    })
  }

  it('reads a byte order mark and carriage returns', () => {
    expect(problems(`\uFEFFedge:\r\n  processes: 1\r\n  zeroRtt: no\r\n`)).to.deep.equal([
      '3 edge.zeroRtt: is the text "no", and must be true or false',
    ])
  })

  it('prints nothing that a terminal would obey', () => {
    writeFileSync(path, 'edge:\n  "\\e[2J": 1\n')
    // eslint-disable-next-line no-control-regex
    expect(renderCheck(path, checkConfigFile(path).report)).to.not.match(/\u001B/)
  })

  it('says what a good file leaves to flags', () => {
    writeFileSync(path, `edge:\n  services: [${SERVICE}]\n`)
    const {report, incomplete} = checkConfigFile(path)
    expect(report).to.deep.equal({valid: true, problems: []})
    expect(incomplete).to.deep.equal(['edge.keyFile is not there: start needs --key-file'])
  })

  it('prints the report and ends with exit code 2', () => {
    writeFileSync(path, 'edge:\n  idelTimeout: 1h\n')
    const text = spawnSync(process.execPath, [OVERLAY, 'config', 'check', path], {encoding: 'utf8', timeout: 15_000})
    expect(text.stdout).to.equal(
      `${path}:2: edge.idelTimeout: there is no such key; did you mean idleTimeout?\n1 problem\n`,
    )
    expect([text.status, text.stderr]).to.deep.equal([2, ''])
    const json = spawnSync(process.execPath, [OVERLAY, 'config', 'check', path, '--json'], {
      encoding: 'utf8',
      timeout: 15_000,
    })
    expect(checkSchema.parse(JSON.parse(json.stdout))).to.deep.equal({
      valid: false,
      problems: [{key: 'edge.idelTimeout', line: 2, message: 'there is no such key', suggestion: 'idleTimeout'}],
    })
    expect(json.status).to.equal(2)
  }).timeout(20_000)

  it('ends with exit code 2 for a file that cannot be read', () => {
    for (const place of [join(directory, 'none'), directory]) {
      expect(() => checkConfigFile(place))
        .to.throw('cannot be read')
        .with.property('exitCode', 2)
    }
  })
})

function bomb(): string {
  const names = 'abcdefghij'
  return [...names]
    .map(
      (name, index) =>
        `${name}: &${name} [${Array.from({length: 9})
          .fill(index === 0 ? 'x' : `*${names[index - 1]}`)
          .join(', ')}]\n`,
    )
    .join('')
}
