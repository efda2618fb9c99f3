import {expect} from 'chai'
import {mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {OverlayError} from '../../../src/lib/errors/index.js'
import {readScenario} from '../../../src/lib/failover/scenario.js'

const LIBRARY = fileURLToPath(new URL('../../../scenarios/', import.meta.url))

const GOOD = `name: one
description: something
load: [{flows: 1, up: 1, down: 1}]
steps: [{at: 1s, do: kill, target: edge.primary}]
`

describe('scenario file', () => {
  let directory: string

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'overlay-scenario-'))
  })

  after(() => rmSync(directory, {recursive: true}))

  const read = (text: string) => {
    const path = join(directory, 'scenario.yml')
    writeFileSync(path, text)
    return readScenario(path)
  }

  const problem = (text: string): string => {
    try {
      read(text)
    } catch (error) {
      expect(error).to.be.instanceOf(OverlayError)
      return `${(error as OverlayError).message} | ${(error as OverlayError).suggestions.join(',')}`
    }

    throw new Error('it was accepted')
  }

  it('fills in what is not said', () => {
    const scenario = read(GOOD)
    expect(scenario.topology).to.deep.include({pairs: [], family: 'ipv4', rttMs: 20, replicationAckMs: 0})
    expect(scenario.steps[0].at).to.deep.equal([1000, 1000])
    expect(scenario).to.include({settle: 1000, drain: 30_000})
    expect(scenario.expect).to.include({reset: 0, singleOwner: true, paired: true})
  })

  it('takes a moment between two', () => {
    expect(read(GOOD.replace('at: 1s', 'at: [500ms, 2s]')).steps[0].at).to.deep.equal([500, 2000])
  })

  for (const [what, change, message] of [
    [
      'a key that there is not',
      (text: string) => text.replace('down: 1', 'down: 1, upp: 1'),
      /line 3: load\.0\.upp: there is no such key \| up/,
    ],
    ['a step that there is not', (text: string) => text.replace('do: kill', 'do: explode'), /line 4: steps\.0/],
    ['a target that there is not', (text: string) => text.replace('edge.primary', 'edge.third'), /steps\.0\.target/],
    ['a moment that ends before it begins', (text: string) => text.replace('at: 1s', 'at: [2s, 1s]'), /steps\.0\.at/],
    [
      'a step without a time',
      (text: string) => text.replace('at: 1s, ', ''),
      /steps\.0\.at: needs one of at and after/,
    ],
    [
      'a step with two times',
      (text: string) => text.replace('at: 1s', 'at: 1s, after: 1s'),
      /steps\.0\.at: needs one of at and after/,
    ],
    ['no duration', (text: string) => text.replace('at: 1s', 'at: soon'), /steps\.0\.at/],
    ['a name with spaces', (text: string) => text.replace('name: one', 'name: one two'), /line 1: name/],
    ['what is no YAML', () => 'name: [', /line 1/],
  ] as const) {
    it(`refuses ${what}, and says where`, () => {
      expect(problem(change(GOOD))).to.match(message)
    })
  }

  it('says so when there is none', () => {
    expect(() => readScenario(join(directory, 'none.yml'))).to.throw(OverlayError, /cannot be read/)
  })

  for (const file of readdirSync(LIBRARY)) {
    it(`scenarios/${file} is one, of that name`, () => {
      expect(`${readScenario(join(LIBRARY, file)).name}.yml`).to.equal(file)
    })
  }
})
