import {expect} from 'chai'
import {spawnSync} from 'node:child_process'
import {chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'

const SCRIPTS = fileURLToPath(new URL('../../../scripts', import.meta.url))
const NOBODY = 65_534

describe('scripts/setup.sh', () => {
  let stubs: string

  beforeEach(() => {
    stubs = mkdtempSync(join(tmpdir(), 'ov-setup-'))
    chmodSync(stubs, 0o755)
    // A copy, since nobody may not be allowed into the checkout.
    cpSync(SCRIPTS, join(stubs, 'scripts'), {recursive: true})
  })

  afterEach(() => {
    rmSync(stubs, {recursive: true})
  })

  /** Puts a program of that name before the real one. */
  function stub(name: string, script: string): void {
    writeFileSync(join(stubs, name), `#!/bin/sh\n${script}\n`, {mode: 0o755})
  }

  function runSetup(path = `${stubs}:${dirname(process.execPath)}:/usr/bin:/bin`): {
    code: number | null
    stderr: string
  } {
    const asNobody = process.getuid?.() === 0 ? {uid: NOBODY, gid: NOBODY} : {}
    const {status, stderr} = spawnSync('/bin/bash', [join(stubs, 'scripts/setup.sh')], {
      env: {PATH: path},
      encoding: 'utf8',
      ...asNobody,
    })
    return {code: status, stderr}
  }

  it('without root prints the one line to run for what is missing, and ends with exit code 5', () => {
    stub('dpkg-query', 'echo clang installed; echo wrk installed; echo nginx not-installed')
    stub('apt-get', 'exit 1')
    const {code, stderr} = runSetup()
    expect(code, stderr).to.equal(5)
    const line = stderr.split('\n').find((text) => text.includes('apt-get install'))
    expect(line).to.contain('--no-install-recommends').and.contain(' nginx').and.contain(' libbpf-dev')
    expect(line).to.not.contain(' clang').and.not.contain(' wrk')
  })

  it('names the version of a Node that is too old', () => {
    stub('node', '[ "$1" = --version ] && echo v20.18.9 || exit 1')
    const {code, stderr} = runSetup()
    expect(code).to.equal(5)
    expect(stderr).to.contain('v20.18.9 is too old').and.contain('20.19')
  })

  it('on a system without apt names the packages', () => {
    for (const name of ['bash', 'dirname', 'grep', 'sed']) stub(name, `exec /usr/bin/${name} "$@"`)
    stub('node', 'exit 0')
    const {code, stderr} = runSetup(stubs)
    expect(code, stderr).to.equal(5)
    expect(stderr).to.contain('no Debian or Ubuntu').and.contain('libbpf-dev')
  })
})
