import {expect} from 'chai'
import {readdirSync, readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

import {checkConfigFile} from '../../../src/lib/config/check.js'

const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url))

describe('examples', () => {
  const setUps = readdirSync(EXAMPLES).filter((name) => name !== 'monitoring')

  it('are three', () => {
    expect(setUps).to.have.members(['one-host', 'two-regions', 'two-regions-with-pairs'])
  })

  for (const setUp of setUps) {
    const files = readdirSync(EXAMPLES + setUp)
    const readme = readFileSync(`${EXAMPLES}${setUp}/README.md`, 'utf8')
    for (const file of files.filter((name) => name.endsWith('.yaml'))) {
      it(`${setUp}/${file} is valid and complete, and its README starts it`, () => {
        const {report, incomplete} = checkConfigFile(`${EXAMPLES}${setUp}/${file}`)
        expect(report).to.deep.equal({valid: true, problems: []})
        expect(incomplete).to.deep.equal([])
        // One line for all members of a pair.
        const started = readme.includes(`--config examples/${setUp}/${file}`)
        const inLoop =
          readme.includes(`--config examples/${setUp}/$host.yaml`) && readme.includes(file.replace('.yaml', ''))
        expect(started || inLoop).to.equal(true)
      })
    }
  }
})
