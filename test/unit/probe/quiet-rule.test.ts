import {expect} from 'chai'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {OverlayError} from '../../../src/lib/errors/index.js'
import {QuietRule, quietRuleCommands} from '../../../src/lib/probe/quiet-rule.js'

const failure = async (): Promise<OverlayError> => {
  try {
    await QuietRule.make('192.0.2.9', '10.0.0.1', [20_000])
  } catch (error) {
    return error as OverlayError
  }

  throw new Error('the rule was made')
}

describe('quiet rule', () => {
  const directory = mkdtempSync(join(tmpdir(), 'overlay-quiet-'))
  const path = process.env.PATH

  afterEach(() => {
    process.env.PATH = path
  })

  after(() => rmSync(directory, {recursive: true, force: true}))

  /** Has `nft` be this script, or nothing at all. */
  const nft = (script: string | null): void => {
    const place = mkdtempSync(join(directory, 'bin-'))
    if (script !== null) writeFileSync(join(place, 'nft'), `#!/bin/sh\n${script}\n`, {mode: 0o755})
    process.env.PATH = script === null ? place : `${place}:${path}`
  }

  it('is for the ports of the probe and one address, in a table that its owner takes with it', () => {
    expect(quietRuleCommands('t', '192.0.2.9', '10.0.0.1', [20_000, 20_002])).to.deep.equal([
      'add table inet t { flags owner; }',
      'add chain inet t input { type filter hook input priority -400; policy accept; }',
      'add rule inet t input ip saddr 192.0.2.9 ip daddr 10.0.0.1 tcp dport { 20000, 20002 } drop',
      'list chain inet t input',
    ])
    expect(quietRuleCommands('t', '2001:db8::9', 'fd00::1', [20_000])[2]).to.include(
      'ip6 saddr 2001:db8::9 ip6 daddr fd00::1 ',
    )
  })

  it('is made once nft lists it, and gone when nft has ended', async () => {
    nft(`while read -r line; do case "$line" in list*) echo 'tcp dport { 20000 } drop ';; esac; done`)
    const rule = await QuietRule.make('192.0.2.9', '10.0.0.1', [20_000])
    expect(rule.table).to.match(new RegExp(`^overlay_probe_${process.pid}_\\d+$`))
    await rule.remove()
  })

  it('says that nft is missing', async () => {
    nft(null)
    expect((await failure()).code).to.equal('PROGRAM_MISSING')
  })

  it('says that a privilege is missing', async () => {
    nft(`read -r line; echo 'Error: Could not process rule: Operation not permitted' >&2; cat >/dev/null`)
    expect(await failure()).to.deep.include({code: 'PRIVILEGE_MISSING'})
  })

  it('says that the kernel lacks what it needs, in the words of nft', async () => {
    nft(`read -r line; echo 'Error: syntax error, unexpected owner' >&2; cat >/dev/null`)
    const error = await failure()
    expect(error.code).to.equal('KERNEL_FEATURE_MISSING')
    expect(error.toJson().cause).to.equal('Error: syntax error, unexpected owner')
  })

  it('says that nft ended without an answer', async () => {
    nft('exit 0')
    expect((await failure()).code).to.equal('KERNEL_FEATURE_MISSING')
  })
})
