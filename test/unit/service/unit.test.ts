import {expect} from 'chai'
import {spawnSync} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {UNIT_MARK, unitName, unitText, type UnitFacts} from '../../../src/lib/service/unit.js'

const FACTS: UnitFacts = {
  role: 'edge',
  name: 'default',
  program: ['/usr/bin/true', '/usr/lib/overlay/bin/run.js'],
  config: '/etc/overlay/overlay.yaml',
  drainTimeoutMs: 30_000,
  lowPorts: true,
  pair: false,
  echo: false,
  zeroRtt: true,
  underHome: false,
  underTmp: false,
}

/** systemd's own measure: 0 is as closed as can be, 10 wide open. What a unit of this kind had when it was written. */
const HIGHEST_EXPOSURE = 3

const valuesOf = (text: string, name: string): string[] =>
  text.split('\n').flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []))

describe('the systemd unit', () => {
  it('is named for role and instance', () => {
    expect(unitName('edge', 'default')).to.equal('overlay-edge.service')
    expect(unitName('gateway', 'west.1')).to.equal('overlay-gateway-west.1.service')
  })

  it('starts, reloads and stops as the commands do', () => {
    const text = unitText(FACTS)
    expect(text.startsWith(`${UNIT_MARK}\n`)).to.equal(true)
    expect(valuesOf(text, 'Type')).to.deep.equal(['notify'])
    expect(valuesOf(text, 'ExecStart')).to.deep.equal([
      '/usr/bin/true /usr/lib/overlay/bin/run.js edge start --name default --config /etc/overlay/overlay.yaml',
    ])
    expect(valuesOf(text, 'ExecReload')).to.deep.equal([
      '/usr/bin/true /usr/lib/overlay/bin/run.js edge reload --name default',
    ])
    expect(valuesOf(text, 'TimeoutStopSec')).to.deep.equal(['40'])
    expect(valuesOf(text, 'RuntimeDirectoryPreserve')).to.deep.equal(['yes'])
  })

  it('asks for the capabilities that the configuration needs, and no other', () => {
    const bounds = (change: Partial<UnitFacts>): string[] =>
      valuesOf(unitText({...FACTS, ...change}), 'CapabilityBoundingSet')[0].split(' ')
    expect(bounds({})).to.deep.equal(['CAP_NET_ADMIN', 'CAP_BPF', 'CAP_PERFMON', 'CAP_NET_BIND_SERVICE'])
    expect(bounds({lowPorts: false, pair: true})).to.deep.equal([
      'CAP_NET_ADMIN',
      'CAP_BPF',
      'CAP_PERFMON',
      'CAP_NET_RAW',
    ])
    expect(bounds({lowPorts: false, zeroRtt: false})).to.deep.equal([''])
    expect(bounds({lowPorts: false, zeroRtt: false, echo: true})).to.deep.equal(['CAP_NET_RAW'])
    const pair = unitText({...FACTS, pair: true})
    expect(valuesOf(pair, 'ReadWritePaths')).to.deep.equal(['-/sys/fs/bpf', '/proc/sys/net/ipv4'])
    expect(valuesOf(pair, 'RestrictAddressFamilies')[0]).to.match(/AF_PACKET/)
    expect(valuesOf(unitText(FACTS), 'RestrictAddressFamilies')[0]).not.to.match(/AF_PACKET/)
  })

  it('writes paths as systemd reads them', () => {
    const odd = {
      ...FACTS,
      program: ['/opt/my node/bin/node', String.raw`/opt/100%/$run"\.js`],
      underHome: true,
      underTmp: true,
    }
    const text = unitText(odd)
    expect(valuesOf(text, 'ExecStart')[0]).to.match(
      /^"\/opt\/my node\/bin\/node" "\/opt\/100%%\/\$\$run\\"\\\\\.js" edge start /,
    )
    expect(valuesOf(text, 'ProtectHome')).to.deep.equal(['read-only'])
    expect(valuesOf(text, 'PrivateTmp')).to.deep.equal(['no'])
  })

  describe('before systemd-analyze', function () {
    this.timeout(60_000)
    const directory = mkdtempSync(join(tmpdir(), 'ov-unit-'))

    before(function () {
      if (spawnSync('systemd-analyze', ['--version']).error) this.skip()
    })

    after(() => rmSync(directory, {recursive: true, force: true}))

    for (const [what, change] of Object.entries<Partial<UnitFacts>>({
      'an edge': {},
      'a gateway without zero-RTT': {role: 'gateway', zeroRtt: false, lowPorts: false},
      'a member of a pair': {role: 'gateway', name: 'west', pair: true, echo: true},
    })) {
      it(`the unit of ${what} is sound, and its exposure at most ${HIGHEST_EXPOSURE}`, () => {
        const facts = {...FACTS, ...change}
        const path = join(directory, unitName(facts.role, facts.name))
        writeFileSync(path, unitText(facts))
        const verified = spawnSync('systemd-analyze', ['verify', '--man=no', path], {encoding: 'utf8'})
        const own = verified.stderr.split('\n').filter((line) => line.includes('overlay-'))
        expect(own, verified.stderr).to.deep.equal([])
        expect(verified.status, verified.stderr).to.equal(0)
        const threshold = String(HIGHEST_EXPOSURE * 10)
        const judged = spawnSync(
          'systemd-analyze',
          ['security', '--offline=true', `--threshold=${threshold}`, '--no-pager', path],
          {encoding: 'utf8'},
        )
        expect(judged.status, judged.stdout + judged.stderr).to.equal(0)
      })
    }
  })
})
