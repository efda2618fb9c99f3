import {expect} from 'chai'
import {execFileSync, spawnSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {ExitCode} from '../../../src/lib/errors/index.js'
import {completions} from '../../../src/lib/manual/completion.js'
import {manPages, pageName} from '../../../src/lib/manual/man-page.js'
import {spellings, typedCommands, type Manifest, type Topics} from '../../../src/lib/manual/manifest.js'

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8'))
const manifest = read('oclif.manifest.json') as Manifest
const {topics} = (read('package.json') as {oclif: {topics: Topics}}).oclif
const typed = typedCommands(manifest)

describe('manual pages', () => {
  const pages = manPages(manifest, topics)
  const textOf = (words: string): string => pages.get(pageName(words))!.replaceAll(String.raw`\-`, '-')

  it('are one for each command, and one that names them all', () => {
    expect([...pages.keys()].sort()).to.deep.equal(
      ['', ...typed.map(({words}) => words)].map((words) => pageName(words)).sort(),
    )
    for (const {words, command} of typed) {
      expect(textOf('')).to.contain(`overlay ${words}`)
      expect(textOf(''), words).to.contain(command.summary!.split("'")[0])
    }
  })

  it('name every flag, value and variable of a command', () => {
    for (const {words, command, flags} of typed) {
      const text = textOf(words)
      for (const flag of flags) {
        for (const name of spellings(flag)) expect(text, words).to.contain(`\\fB${name}\\fR`)
        for (const value of flag.options ?? []) expect(text, `${words} --${flag.name}`).to.contain(value)
        if (flag.env !== undefined) expect(text, words).to.contain(flag.env)
      }

      for (const arg of Object.values(command.args)) expect(text, words).to.contain(arg.name.toUpperCase())
      expect(text).not.to.contain('<%=')
    }
  })

  it('have all exit codes', () => {
    for (const code of Object.values(ExitCode)) expect(textOf('')).to.contain(`\\fB${code}\\fR`)
  })

  it('are sound for groff', function () {
    if (spawnSync('groff', ['--version']).error) this.skip()
    const {status, stderr} = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z'], {
      encoding: 'utf8',
      input: [...pages.values()].join(''),
    })
    expect({status, stderr}).to.deep.equal({status: 0, stderr: ''})
  })
})

describe('shell completion', () => {
  const made = completions(manifest, topics)
  const directory = mkdtempSync(join(tmpdir(), 'ov-completion-'))
  const file = join(directory, 'overlay.bash')

  before(() => writeFileSync(file, made['overlay.bash']))

  after(() => rmSync(directory, {recursive: true, force: true}))

  /** What bash would offer for the last of these words. */
  function offered(...words: string[]): string[] {
    const script = `source "$1"; shift; COMP_WORDS=(overlay "$@"); COMP_CWORD=$#; _overlay; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', script, 'bash', file, ...words], {encoding: 'utf8'})
      .split('\n')
      .filter((line) => line !== '')
  }

  it('names every command and flag, for each shell', () => {
    for (const [name, text] of Object.entries(made)) {
      for (const {words, flags} of typed) {
        for (const word of words.split(' ')) expect(text, name).to.contain(word)
        for (const flag of flags) {
          for (const spelling of spellings(flag)) {
            expect(text, name).to.contain(name === 'overlay.fish' ? `-l ${spelling.slice(2)}` : spelling)
          }
        }
      }
    }
  })

  it('offers, in bash, every flag of every command', () => {
    for (const {words, flags} of typed) {
      const all = flags.flatMap((flag) => spellings(flag))
      expect(offered(...words.split(' '), '--'), words).to.include.members(all)
    }
  }).timeout(20_000)

  it('offers words, flags and values where they belong', () => {
    expect(offered('')).to.include.members(['edge', 'gateway', 'doctor'])
    expect(offered('edge', 'st')).to.deep.equal(['start', 'status'])
    expect(offered('edge', 'start', '--max-c')).to.deep.equal([
      '--max-client-connections',
      '--max-client-rate',
      '--max-connections',
    ])
    expect(offered('service', 'install', 'e')).to.deep.equal(['edge'])
    expect(offered('lab', 'up', '--link-engine', 'd')).to.deep.equal(['delay-line'])
    expect(offered('edge', 'start', '--name', 'gateway', '--no')).to.include('--no-zero-rtt')
    expect(offered('edge', 'start', '--name', '')).to.deep.equal([])
  })
})
