import {execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {webOriginConfig} from '../../../src/lib/demo/web-origin.js'

describe('the origin of the demo', () => {
  it('is a configuration that nginx takes', () => {
    const directory = mkdtempSync(join(tmpdir(), 'ov-demo-'))
    try {
      const file = join(directory, 'nginx.conf')
      writeFileSync(file, webOriginConfig({address: '127.0.0.1', port: 18_080}, directory))
      execFileSync('nginx', ['-t', '-q', '-e', 'stderr', '-c', file], {stdio: 'pipe'})
    } finally {
      rmSync(directory, {recursive: true})
    }
  })
})
