import {expect} from 'chai'
import {spawn} from 'node:child_process'
import {fileURLToPath} from 'node:url'

import {doctorSchema} from '../../../src/lib/doctor/schema.js'
import {ERROR_CODES} from '../../../src/lib/errors/index.js'

const OVERLAY = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))
const FIXTURE = fileURLToPath(new URL('../../support/contract-cli/bin.js', import.meta.url))

interface Outcome {
  code: number | null
  signal: string | null
  stdout: string
  stderr: string
}

/** Runs the built program as a user's script would, its output in pipes. */
async function run(file: string, args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [file, ...args], {env: {...process.env, ...env}, timeout: 15_000})
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({code, signal, stdout, stderr}))
  })
}

const overlay = (...args: string[]): Promise<Outcome> => run(OVERLAY, args)
const fixture = (...args: string[]): Promise<Outcome> => run(FIXTURE, args)

function errorOf(outcome: Outcome): {code: string; message: string; cause: string | null; suggestions: string[]} {
  const printed = JSON.parse(outcome.stdout) as {error: ReturnType<typeof errorOf>}
  expect(printed.error).to.have.keys('code', 'message', 'cause', 'suggestions')
  expect(ERROR_CODES).to.have.property(printed.error.code)
  return printed.error
}

describe('the command line', function () {
  this.slow(3000)

  describe('on wrong words', () => {
    const wrong: [string, string[], RegExp][] = [
      ['an unknown command', ['dcotor'], /dcotor/],
      ['an unknown flag', ['doctor', '--nonsense'], /--nonsense/],
      ['an unknown value', ['doctor', 'nobody'], /nobody/],
      ['a word too many', ['doctor', 'edge', 'gateway'], /gateway/],
    ]
    for (const [what, words, named] of wrong) {
      it(`${what} ends with exit code 2 and names it on stderr`, async () => {
        const outcome = await overlay(...words)
        expect(outcome).to.include({code: 2, stdout: ''})
        expect(outcome.stderr)
          .to.match(/^Error: .*\[USAGE]$/m)
          .and.match(named)
        expect(outcome.stderr).to.match(/^ {2}try: /m)
        expect(outcome.stderr.split('\n').length).to.be.lessThan(6)
      })

      it(`${what} is one JSON object under --json`, async () => {
        const outcome = await overlay(...words, '--json')
        expect(outcome).to.include({code: 2, stderr: ''})
        expect(errorOf(outcome)).to.include({code: 'USAGE'})
        expect(errorOf(outcome).message).to.match(named)
        expect(outcome.stdout, 'no path of this machine').to.not.contain(process.cwd())
      })
    }

    it('the nearest command is suggested', async () => {
      expect((await overlay('dcotor')).stderr).to.contain('try: overlay doctor')
    })
  })

  describe('on success', () => {
    it('prints the result as one JSON object that fits its schema', async () => {
      const outcome = await overlay('doctor', 'all', '--json')
      expect([0, 5]).to.include(outcome.code)
      expect(outcome.stderr).to.equal('')
      doctorSchema.parse(JSON.parse(outcome.stdout))
    })

    for (const words of [['--help'], ['doctor', '--help'], ['--version']]) {
      it(`${words.join(' ')} goes to stdout and ends with exit code 0`, async () => {
        const outcome = await overlay(...words)
        expect(outcome).to.include({code: 0, stderr: ''})
        expect(outcome.stdout).to.contain('overlay')
      })
    }
  })

  describe('through the base command', () => {
    for (const [name, {exit}] of Object.entries(ERROR_CODES)) {
      it(`${name} ends with exit code ${exit}, in text and in JSON`, async () => {
        const text = await fixture('fail', name)
        expect(text).to.include({code: exit, stdout: ''})
        expect(text.stderr).to.equal(
          `Error: it failed on purpose [${name}]\n  because: underneath\n  try: one thing\n  try: another thing\n`,
        )
        const json = await fixture('fail', name, '--json')
        expect(json).to.include({code: exit, stderr: ''})
        expect(errorOf(json)).to.deep.equal({
          code: name,
          message: 'it failed on purpose',
          cause: 'underneath',
          suggestions: ['one thing', 'another thing'],
        })
      })
    }

    it('any other exception is INTERNAL, its stack shown only under OVERLAY_DEBUG', async () => {
      const quiet = await fixture('fail', 'exception')
      expect(quiet.code).to.equal(1)
      expect(quiet.stderr)
        .to.contain('[INTERNAL]')
        .and.not.match(/^\s+at /m)
      const loud = await run(FIXTURE, ['fail', 'exception'], {OVERLAY_DEBUG: '1'})
      expect(loud.stderr).to.match(/^\s+at /m)
    })

    it('this.error of oclif keeps exit code and JSON shape', async () => {
      const outcome = await fixture('fail', 'oclif', '--json')
      expect(outcome.code).to.equal(1)
      expect(errorOf(outcome).message).to.equal('said by this.error')
    })

    it('a negative verdict prints the whole result and sets the exit code', async () => {
      const outcome = await fixture('print', '--verdict', '3', '--json')
      expect(outcome.code).to.equal(3)
      expect(JSON.parse(outcome.stdout)).to.have.property('text')
    })

    it('warnings go to stderr as text and into the object under --json', async () => {
      const text = await fixture('print', '--warn')
      expect(text.stderr).to.equal('Warning: take care\n')
      const json = await fixture('print', '--warn', '--json')
      expect(json.stderr).to.equal('')
      expect(JSON.parse(json.stdout)).to.have.property('warnings').that.deep.equals(['take care'])
      const failed = await fixture('fail', 'USAGE', '--warn', '--json')
      expect(JSON.parse(failed.stdout)).to.have.property('warnings').that.deep.equals(['take care'])
    })

    it('4 MB of output through a pipe arrive whole, also with an exit code set', async () => {
      const outcome = await fixture('print', '--length', String(4 << 20), '--verdict', '3')
      expect(outcome).to.include({code: 3, stderr: ''})
      expect(outcome.stdout).to.have.lengthOf((4 << 20) + 1)
    })

    it('a reader that goes away ends the command without a message', async () => {
      const child = spawn(process.execPath, [FIXTURE, 'print', '--length', String(4 << 20)], {timeout: 15_000})
      let stderr = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text
      })
      child.stdout.once('data', () => child.stdout.destroy())
      const code = await new Promise((resolve) => child.on('close', resolve))
      expect({code, stderr}).to.deep.equal({code: 0, stderr: ''})
    })

    for (const env of [{}, {NO_COLOR: '1'}, {NO_COLOR: '1', FORCE_COLOR: '1'}] as Record<string, string>[]) {
      it(`writes no colour into a pipe with ${JSON.stringify(env)}`, async () => {
        for (const words of [['--help'], ['doctor'], ['dcotor'], ['doctor', '--json']]) {
          const outcome = await run(OVERLAY, words, env)
          // eslint-disable-next-line no-control-regex
          expect(outcome.stdout + outcome.stderr).to.not.match(/\u001B\[/)
        }
      })
    }
  })
})
