import {expect} from 'chai'
import {execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {CONTENDERS, missingProgram} from '../../../src/lib/bench/contenders.js'
import {haproxyConfig} from '../../../src/lib/bench/haproxy-config.js'
import {nginxStreamConfig} from '../../../src/lib/bench/nginx-config.js'

const listen = {address: '127.0.0.1', port: 18_001}
const target = {address: 'fd77:2::21', port: 18_002}

describe('bench contenders', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ov-bench-'))
  })

  afterEach(() => rmSync(directory, {recursive: true}))

  function write(text: string): string {
    const file = join(directory, 'config')
    writeFileSync(file, text)
    return file
  }

  for (const fastOpen of [false, true]) {
    it(`HAProxy takes its configuration ${fastOpen ? 'with' : 'without'} TCP Fast Open`, () => {
      const config = haproxyConfig({listen, target, fastOpenListen: fastOpen, fastOpenTarget: fastOpen})
      execFileSync('haproxy', ['-c', '-q', '-f', write(config)], {stdio: 'pipe'})
      expect(/ tfo$/m.test(config)).to.equal(fastOpen)
    })
  }

  it('HAProxy takes its configuration for load, spliced by two threads', () => {
    const config = haproxyConfig({listen, target, splice: true, threads: 2, maxConnections: 9000})
    execFileSync('haproxy', ['-c', '-q', '-f', write(config)], {stdio: 'pipe'})
    for (const line of ['maxconn 9000', 'nbthread 2', 'option splice-request', 'option splice-response']) {
      expect(config).to.match(new RegExp(`^ {2}${line}$`, 'm'))
    }
  })

  for (const [what, options] of [
    ['its configuration', {}],
    ['its configuration for load, by two workers', {processes: 2, maxSockets: 8192, halfClose: true}],
  ] as const) {
    it(`nginx takes ${what}`, () => {
      const file = write(nginxStreamConfig(listen, target, directory, options))
      execFileSync('nginx', ['-t', '-q', '-e', 'stderr', '-c', file], {stdio: 'pipe'})
    })
  }

  it('a program that is not installed is named', () => {
    expect(missingProgram(CONTENDERS.haproxy, directory)).to.equal('haproxy')
    expect(missingProgram(CONTENDERS.nginx, `${directory}:`)).to.equal('nginx')
    expect(missingProgram(CONTENDERS.direct, '')).to.equal(undefined)
  })
})
