import {expect} from 'chai'
import {existsSync, readFileSync} from 'node:fs'

import {SNAPSHOT, commandsOfManifest} from '../../support/command-snapshot.js'

const {commands} = JSON.parse(readFileSync(new URL('../../../oclif.manifest.json', import.meta.url), 'utf8')) as {
  commands: Record<string, {summary?: string; description?: string; examples?: unknown[]; flags: object}>
}

const ADVICE = 'scripts depend on these: if the change is meant, note it in CHANGELOG.md and run "npm run snapshot"'
const snapshot = (existsSync(SNAPSHOT) ? JSON.parse(readFileSync(SNAPSHOT, 'utf8')) : {}) as Record<string, object>
const today = commandsOfManifest()

describe('commands and flags', () => {
  it('the commands are those of test/snapshots/commands.json', () => {
    expect(Object.keys(today), ADVICE).to.deep.equal(Object.keys(snapshot))
  })

  for (const [id, command] of Object.entries(snapshot)) {
    it(`${id} takes the flags of test/snapshots/commands.json`, () => {
      expect(today[id], ADVICE).to.deep.equal(command)
    })
  }

  for (const [id, command] of Object.entries(commands)) {
    it(`${id.replaceAll(':', ' ')} has a summary, a description, examples and --json`, () => {
      expect(command.summary).to.be.a('string').and.not.equal('')
      expect(command.description).to.be.a('string').and.not.equal('')
      expect(command.examples).to.be.an('array').and.not.have.lengthOf(0)
      expect(command.flags).to.have.property('json')
    })
  }
})
